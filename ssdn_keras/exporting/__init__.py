"""Trained denoisers for programs without this package: network, noise model and posterior mean in one file."""
