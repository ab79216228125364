"""Discord commands, a module for each group."""
