"""All that an installation knows, as one file, and back: docs/decisions/056-backups.md.

`keyspace.py` which keys; `entries.py` keys as lines; `archive.py` the file; `take.py` and `restore.py` do it.
"""
