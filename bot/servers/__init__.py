"""Servers: their settings, who may do what where, cooldowns, and who asks."""
