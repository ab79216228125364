"""Answers to requests: sent as jobs to the worker, awaited, and posted."""
