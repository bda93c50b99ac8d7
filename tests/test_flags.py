"""The flag files of the published experiments, and those of the report."""

from pathlib import Path

import pytest

from ssdn_keras.noise import parse_noise
from ssdn_keras.train import COMMAND, read_settings

FOLDER = Path(__file__).parent.parent / "flags"

# Method notes, section 6: 14 + 10 + 10 + 12.
GAUSS = ["n2c", "n2n", "blindspot-sigma_known", "blindspot-sigma_{}", "blindspot_diag-sigma_known",
         "blindspot_diag-sigma_{}", "blindspot_mean"]  # fmt: skip
OTHER = ["n2c", "n2n", "blindspot-sigma_known", "blindspot-sigma_{}", "blindspot_mean"]
MONO = ["n2c-mono", "blindspot-sigma_known-mono", "blindspot-sigma_{}-mono"]
NOISES = {"gauss25": "global", "gauss5_50": "per_image", "poisson30": "global", "poisson5_50": "per_image",
          "impulse50": "global", "impulse0_100": "per_image"}  # fmt: skip
PUBLISHED = [
    f"{noise}-{pipeline.format(unknown)}"
    for noise, unknown in NOISES.items()
    for pipeline in (GAUSS if noise.startswith("gauss") else OTHER) + ([] if noise.startswith("impulse") else MONO)
]
CLIPPED = [
    f"{noise}-clipped-blindspot-sigma_{parameter}"
    for noise in ("gauss25", "gauss5_50", "poisson30")
    for parameter in ("known", "per_image")
]
POISSON_GAUSS = [
    "poisson_gauss2+5-blindspot-sigma_known",
    "poisson_gauss2+5-blindspot-sigma_global",
    "poisson_gauss0.5_4+2_10-blindspot-sigma_known",
    "poisson_gauss0.5_4+2_10-blindspot-sigma_per_image",
    "poisson_gauss0.5_4+2_10-clipped-blindspot-sigma_known",
    "poisson_gauss0.5_4+2_10-clipped-blindspot-sigma_per_image",
]
REPORT = ["gauss25-blindspot-sigma_per_image", "gauss25_50-blindspot-sigma_per_image", "gauss25-n2v"]


def parse(name):
    arguments = ["train", f"--flagfile={FOLDER / name}.cfg", "--train_clean=x", "--run_dir=y"]
    return COMMAND.parse(arguments)[0]


def test_exactly_the_published_names_and_the_reports():
    assert len(PUBLISHED) == len(set(PUBLISHED)) == 46
    assert {path.stem for path in FOLDER.iterdir()} == set(PUBLISHED) | set(REPORT) | set(CLIPPED) | set(POISSON_GAUSS)


@pytest.mark.parametrize("name", PUBLISHED + REPORT)
def test_settings_are_those_of_the_name(name):
    flags = parse(name)
    noise, pipeline, *rest = name.split("-")
    assert flags.noise == noise == str(parse_noise(flags.noise))
    algorithms = {"blindspot": "ssdn", "blindspot_diag": "ssdn", "blindspot_mean": "ssdn_mean"}
    assert flags.algorithm == algorithms.get(pipeline, pipeline)
    assert flags.diagonal_covariance == (pipeline == "blindspot_diag")
    assert flags.channels == (1 if "mono" in rest else 3)
    if flags.algorithm == "ssdn":
        assert f"sigma_{flags.noise_parameter}" in rest
    long = {"n2c": 16_000_000, "n2n": 16_000_000, "ssdn_mean": 8_000_000, "ssdn": 4_000_000}
    images = long[flags.algorithm] if noise.startswith("impulse") else 2_000_000
    if name in REPORT:
        images = 844_000 if noise == "gauss25_50" else 200_000
    assert flags.images == images
    assert (flags.crop, flags.minibatch, flags.learning_rate) == (256, 4, 3e-4)
    assert (flags.ramp_up, flags.ramp_down) == (0.1, 0.3)


@pytest.mark.parametrize("name", PUBLISHED + REPORT)
def test_experiments_are_accepted_by_train(name):
    settings = read_settings(parse(name))
    assert settings.noise == name.split("-")[0]
    again = COMMAND.parse(["train", *settings.as_flags().split(), "--run_dir=y"])[0]
    assert read_settings(again) == settings


@pytest.mark.parametrize("name", CLIPPED)
def test_clipped_noise_is_otherwise_as_published(name):
    settings = read_settings(parse(name))
    noise, parameter = name.partition("-clipped")[0], name.rpartition("sigma_")[2]
    assert settings.noise == f"{noise}-clipped" and settings.noise_parameter == parameter
    published = read_settings(parse(f"{noise}-blindspot-sigma_known"))
    for field in ("algorithm", "channels", "crop", "minibatch", "images", "learning_rate", "ramp_up", "ramp_down"):
        assert getattr(settings, field) == getattr(published, field)


@pytest.mark.parametrize("name", POISSON_GAUSS)
def test_photon_and_read_noise_are_otherwise_as_published(name):
    settings = read_settings(parse(name))
    assert settings.noise == name.partition("-blindspot")[0] == str(parse_noise(settings.noise))
    assert settings.noise_parameter == name.rpartition("sigma_")[2]
    again = COMMAND.parse(["train", *settings.as_flags().split(), "--run_dir=y"])[0]
    assert read_settings(again) == settings
    published = read_settings(parse("gauss25-blindspot-sigma_known"))
    for field in ("algorithm", "channels", "crop", "minibatch", "images", "learning_rate", "ramp_up", "ramp_down"):
        assert getattr(settings, field) == getattr(published, field)
