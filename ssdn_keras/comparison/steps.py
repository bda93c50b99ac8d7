"""Both programs trained from the same weights on the same minibatches, step by step."""

import sys

import numpy as np
from tqdm import tqdm

from ssdn_keras.comparison.batches import batches


def relative(ours, theirs, scale):
    """Difference of two losses as a fraction of the second, or of a typical loss where that is near zero."""
    return abs(ours - theirs) / max(abs(theirs), scale, 1e-12)


def largest_difference(ours, theirs):
    """Largest absolute difference of two dicts of arrays."""
    return max(float(np.abs(ours[name].reshape(-1) - theirs[name].reshape(-1)).max()) for name in theirs)


def compare_gradients(ours, theirs):
    """One row per variable: both norms, the largest difference, and the norm of the difference over theirs."""
    rows = []
    for name in sorted(theirs):
        a, b = (np.asarray(gradients[name], "float64").reshape(-1) for gradients in (ours, theirs))
        norm = float(np.linalg.norm(b))
        rows.append({
            "variable": name, "norm_ours": float(np.linalg.norm(a)), "norm_theirs": norm,
            "largest_difference": float(np.abs(a - b).max()),
            "relative": float(np.linalg.norm(a - b)) / norm if norm > 0 else float(np.abs(a).max()),
        })  # fmt: skip
    return rows


def last_bits(arrays, seed):
    """Weights that differ from these in the last bit of about half of their values."""
    random = np.random.RandomState(seed)
    return {
        name: np.where(random.random_sample(value.shape) < 0.5, np.nextafter(value, np.float32(np.inf)), value)
        for name, value in arrays.items()
    }


def train_steps(port, program, twin, source, experiment, *, steps, crop, minibatch, rate, seed):
    """Train both, and a twin, for some steps at a constant rate.

    Training amplifies rounding: two runs that differ in a last bit part exponentially. The twin shows how far, so that
    it can be told from a difference between the programs: it is the port with `last_bits` changed.

    Args:
        port, program: `Port` and `OriginalProgram` with the same weights.
        twin: another `Port` of the same experiment; its weights are set here.

    Returns:
        (rows of the first step's gradients, rows of the steps: losses before the step, largest difference of any weight
        after it, both of program and twin).
    """
    twin.load_variables(last_bits(port.variables(), seed))
    gradients, rows = [], []
    feed = batches(source, experiment, crop=crop, minibatch=minibatch, steps=steps, seed=seed)
    bar = tqdm(feed, total=steps, unit="step", desc="training both", delay=2, leave=False,
               mininterval=0.5 if sys.stderr.isatty() else 15.0)  # fmt: skip
    for number, batch in enumerate(bar, 1):
        if number == 1:
            gradients = compare_gradients(port.gradients(**batch)[1], program.gradients(**batch)[1])
        ours, _ = port.train_on(rate=rate, **batch)
        theirs, _ = program.train_on(rate=rate, **batch)
        twins, _ = twin.train_on(rate=rate, **batch)
        weights = port.variables()
        rows.append({
            "experiment": experiment.name, "step": number, "loss_ours": ours, "loss_theirs": theirs, "loss_twin": twins,
            "weight_difference": largest_difference(weights, program.variables()),
            "twin_weight_difference": largest_difference(weights, twin.variables()),
        })  # fmt: skip
    scale = float(np.median([abs(row["loss_theirs"]) for row in rows]))
    for row in rows:
        row["relative"] = relative(row["loss_ours"], row["loss_theirs"], scale)
        row["twin_relative"] = relative(row["loss_twin"], row["loss_ours"], scale)
    return [{"experiment": experiment.name, **row} for row in gradients], rows
