"""Trainings: started, cancelled and finished, and when each will be done."""
