"""A job as its worker has it: held by a lease, its events, its files, its errors, its place in the registry."""
