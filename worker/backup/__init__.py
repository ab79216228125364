"""All that an installation knows, as one file, and back: docs/decisions/056-backups.md."""
