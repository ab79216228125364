"""Run every part on one machine: what `make run` starts."""
