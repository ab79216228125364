"""Programs for those who work on Galvanic; no part of it."""
