"""What is for those who run a server or the bot: settings, status, metrics and greeting."""
