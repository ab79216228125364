"""The models of a server: listed, used, shared, exported, deleted, kept up to date."""
