"""The GPU side: preprocessing, training and generating. Knows nothing of Discord."""
