"""Begins trainings, shows them while they learn, ends them, and makes models again when words are withdrawn."""
