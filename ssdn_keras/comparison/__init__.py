"""This package and the authors' program side by side: the same weights, images, noise and batches."""
