"""How fast the networks train and denoise on this machine, beside what the machine can do."""
