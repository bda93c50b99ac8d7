"""Traces of JPEG: steps at a grid of 8×8 blocks, in whatever format the file is now."""

import numpy as np

PERIOD = 8
# In standard errors; the largest of 16 phases of uncompressed images stays below (see docs/diagnose.md).
NOTICEABLE = 4.0
_FEWEST = 6 * PERIOD


def _steps(plane):
    """For each place between columns: how much larger the step there is than those beside it, H×(W − 3), clipped."""
    step = np.abs(np.diff(plane, axis=1))
    excess = step[:, 1:-1] - 0.5 * (step[:, :-2] + step[:, 2:])
    # Edges of the picture are far larger than those of blocks, and fall anywhere.
    limit = 2.0 * np.median(np.abs(excess)) + 1e-12
    return np.clip(excess, -limit, limit) / limit


def _scores(plane):
    """Of each of the 8 phases, how far the mean step lies above those of the other phases, in standard errors."""
    excess = _steps(plane)
    columns = excess.mean(axis=0)
    phase = (np.arange(columns.size) + 2) % PERIOD  # of the column to the right of the step
    scores = np.empty(PERIOD)
    for number in range(PERIOD):
        here, others = columns[phase == number], columns[phase != number]
        error = np.sqrt(others.var() / here.size + others.var() / others.size) + 1e-12
        scores[number] = (here.mean() - others.mean()) / error
    return scores


def blocking(values):
    """How clearly an image H×W×C has an 8×8 grid, and where: dict of score, row and column (None if not noticeable).

    The score is that of the weaker direction at the best phases, in standard errors.
    """
    if min(values.shape[:2]) < _FEWEST:
        return {"score": 0.0, "row": None, "column": None}
    plane = values.mean(axis=-1, dtype=np.float64)
    across, down = _scores(plane), _scores(plane.T)
    score = float(min(across.max(), down.max()))
    found = score > NOTICEABLE
    return {
        "score": score, "row": int(down.argmax()) if found else None, "column": int(across.argmax()) if found else None,
    }  # fmt: skip
