"""Games whose players are parts of a model."""
