"""Jobs as the bot sees them: entered into the queue, followed, and shown."""
