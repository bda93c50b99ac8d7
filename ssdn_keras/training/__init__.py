"""A whole training: settings, checkpoints, records."""
