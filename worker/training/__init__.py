"""The training whose turn it is, one attempt at it, and what it tells and is told meanwhile."""
