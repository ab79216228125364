"""Speaking unasked, and personas."""
