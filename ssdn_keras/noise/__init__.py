"""Noise models: how an image is corrupted, the likelihood of a noisy pixel, and the posterior of the clean one."""

from ssdn_keras.noise.levels import NOISE_MODELS, NoiseSpec, make_noise_spec, parse_noise

__all__ = ["NOISE_MODELS", "NoiseSpec", "make_noise_spec", "parse_noise"]
