"""Who asks, what they may, and who could read what a model learned."""
