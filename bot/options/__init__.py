"""Options as people type them: declared once, read, checked and completed."""
