"""Games whose players are training examples."""
