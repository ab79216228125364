"""Settings, rights and cooldowns of servers."""
