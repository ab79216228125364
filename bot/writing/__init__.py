"""Requests for texts, from commands, mentions, buttons and forms."""
