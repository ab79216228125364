"""Channels as texts: their messages, cleaned, one a line, of members who agreed."""
