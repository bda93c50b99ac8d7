"""Where to damage a file: not in long runs of zeros, so that structure is hit and not the weights of a network."""

import functools

import numpy as np

_BLOCK = 32


@functools.lru_cache(maxsize=64)
def _blocks(data):
    """Numbers of the blocks that are not all zero."""
    padded = np.zeros(-(-max(len(data), 1) // _BLOCK) * _BLOCK, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    return np.flatnonzero(padded.reshape(-1, _BLOCK).any(axis=1))


def place(random, data):
    """A position in the data."""
    data = bytes(data)
    blocks = _blocks(data)
    if not data:
        return 0
    if len(blocks) and random.random() < 0.97:
        return min(int(blocks[random.randrange(len(blocks))]) * _BLOCK + random.randrange(_BLOCK), len(data) - 1)
    return random.randrange(len(data))
