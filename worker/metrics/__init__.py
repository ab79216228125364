"""What a worker shows of itself: to Prometheus, and to whoever restarts what is ill."""
