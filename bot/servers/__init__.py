"""Servers: their settings, who asks, and who may do what, where and how often."""
