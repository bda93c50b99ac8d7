"""Ways to damage a file: functions (random.Random, bytes, another file's bytes) → (bytes, what was done)."""
