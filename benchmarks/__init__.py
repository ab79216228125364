"""Benchmarks of the engine and of the product: `make bench`. See docs/benchmarks.md."""
