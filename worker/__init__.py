"""The worker services: they train, write, keep models and tell the bot. Know nothing of Discord."""
