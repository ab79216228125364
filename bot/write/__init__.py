"""Texts: generated, continued, compared, mixed, measured for surprise, and the chat."""
