"""Units of what people set and read."""

MEGABYTE = 1_000_000
"""Bytes, as disks and downloads are sold, and as every setting and every message counts them."""
