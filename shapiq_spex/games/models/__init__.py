"""Models that turn token sequences into numbers."""
