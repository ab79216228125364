"""What every process shows of itself: `/metrics` for Prometheus and `/health` for whoever restarts what is ill.

Names and labels are in docs/monitoring.md. No label has anything of a person or a server: no id, no name, no word.
"""
