"""Generating, comparing and measuring texts, and the chat."""
