"""What the bot and the worker agree on: settings, messages, Redis keys. Imports neither of them."""
