"""How fast and how good the engine is: `make bench`. See docs/benchmarks.md."""
