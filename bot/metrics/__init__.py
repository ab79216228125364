"""What the bot shows of itself to Prometheus, to whoever restarts what is ill, and to admins."""
