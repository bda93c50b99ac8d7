"""Training data and image files."""
