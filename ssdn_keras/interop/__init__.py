"""Other programs' files and names."""
