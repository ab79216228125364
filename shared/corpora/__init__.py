"""Sources of texts (uploads, files, the catalogue), and how texts travel through Redis."""
