"""What each fast path of the networks is worth here: a training step with it and without it, in turns."""

from contextlib import contextmanager
from unittest import mock

from ssdn_keras.cli import Command, say

COMMAND = Command(
    "python benchmarks/levers.py",
    "Measures a training step with each fast path switched off, beside one with all of them, in turns in one process. "
    "KERAS_BACKEND chooses the backend.",
)
COMMAND.group("Work")
COMMAND.choice("precision", "float32", ("float32", "mixed_bfloat16"), "What the networks compute in.")
COMMAND.integer("crop", 64, "Side of the crops.", lowest=1)
COMMAND.integer("minibatch", 4, "Crops per step.", lowest=1)
COMMAND.group("How")
COMMAND.integer("rounds", 5, "Turns.", lowest=1)
COMMAND.integer("steps", 2, "Steps of each turn.", lowest=1)


@contextmanager
def _without(name):
    """The networks with one fast path switched off, while they are traced."""
    from ssdn_keras.model import activation, networks, upsampled

    patches = {
        "all": (),
        "upsampled maps convolved on the small map": (mock.patch.object(upsampled, "pays", lambda *size: False),),
        "four views of a square in one pass": (mock.patch.object(networks, "inputs_are_square", lambda x: False),),
        "LeakyReLU's gradient from its output": (
            mock.patch.object(networks, "leaky_relu", activation.plain_leaky_relu),
        ),
    }[name]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


NAMES = (
    "all",
    "upsampled maps convolved on the small map",
    "four views of a square in one pass",
    "LeakyReLU's gradient from its output",
)


def main(flags, _):
    """Measure by the flags."""
    import numpy as np

    from ssdn_keras.benchmarking.clock import Clock
    from ssdn_keras.benchmarking.device import has_gpu
    from ssdn_keras.benchmarking.training import repeated_minibatch
    from ssdn_keras.model.denoiser import Denoiser
    from ssdn_keras.model.optimizers import published_optimizer

    clocks, trainings = {name: Clock() for name in NAMES}, {}
    for name in NAMES:
        model = Denoiser(noise="gauss25", dtype=flags.precision)
        model.compile(optimizer=published_optimizer())
        batches = repeated_minibatch(model, flags.crop, flags.minibatch, "gauss25")
        with _without(name):
            model.fit(batches, steps_per_epoch=2, verbose=0)  # traced now, and not again
        trainings[name] = (model, batches)
    for _ in range(flags.rounds):
        for name, (model, batches) in trainings.items():
            with clocks[name]:
                model.fit(batches, steps_per_epoch=flags.steps, verbose=0)
    kind = "seconds" if has_gpu() else "processor_seconds"
    lines = [
        f"Training step {flags.minibatch}×{flags.crop}×{flags.crop}, {flags.precision}; "
        f"{'wall' if has_gpu() else 'processor'} time with all fast paths over that without one, in the same turn.",
        "",
        "| fast path | ratio, median (lowest to highest) |",
        "|---|---|",
    ]
    whole = np.array(getattr(clocks["all"], kind))
    for name in NAMES[1:]:
        ratio = whole / np.array(getattr(clocks[name], kind))
        lines.append(f"| {name} | {np.median(ratio):.3f} ({ratio.min():.3f} to {ratio.max():.3f}) |")
    say("\n".join(lines))


if __name__ == "__main__":
    COMMAND.run(main)
