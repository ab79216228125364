"""Trainings: begun, shown while they learn, ended, and made again when words are withdrawn."""
