"""Many people at once: trainings and texts asked for in many servers, each followed to its end."""
