"""The version of the package; also written into saved models."""

__version__ = "0.1.0"
