"""The agreement of bot and worker: settings, messages, Redis keys. Imports neither of them."""
