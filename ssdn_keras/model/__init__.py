"""Layers, networks and the denoiser."""
