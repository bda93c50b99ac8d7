"""python -m ssdn_keras.demo: denoise with a network of the package, and watch another one learn."""

from ssdn_keras.cli import Command, make_folder

COMMAND = Command(
    "python -m ssdn_keras.demo",
    "Denoises two photographs with a network that comes with the package; then draws noise (σ = 25) once for each of "
    "five others, which come with scikit-image, trains a new network on these noisy images alone, denoises the same "
    "two and compares with non-local means.",
)
COMMAND.group("Demonstration")
COMMAND.string("output", "demo", "Folder for the picture (demo.png) and the model (final.keras).")
COMMAND.number("seconds", 140, "Time to train, about.", lowest=1)


def main(flags, _):
    """Run the demonstration."""
    make_folder(flags.output)
    from ssdn_keras.training.demonstration import demonstrate

    means = demonstrate(flags.output, flags.seconds)
    print("demo: " + ", ".join(f"{kind} {value:.1f} dB" for kind, value in means.items()))


if __name__ == "__main__":
    COMMAND.run(main)
