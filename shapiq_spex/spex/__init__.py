"""SPEX: sparse Fourier recovery from coded coalitions."""
