"""Settings, status, metrics and greeting: for those who run a server or the bot."""
