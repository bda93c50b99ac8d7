"""The whole way of a user who has noisy 16-bit TIFF files and nothing clean: diagnose, train, denoise, diagnose."""

import json
import shlex

import keras
import numpy as np
import pytest
import tifffile
from command_line import run
from skimage import data

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the commands are the same on every backend"),
]

BLACK, GAIN, READ, LIGHT = 100, 30.0, 150.0, 12.0
CROPS = 1500
# What makes a short training of the suggested one: a narrow network and fewer crops.
SHORT = ["--learning_rate=1e-3", "--checkpoint_every=0", "--validate_every=0"]


def microscope(clean, seed):
    """16-bit values of photon counts with read noise on a black level, and their expected values, from grey levels."""
    random = np.random.default_rng(seed)
    light = LIGHT * clean.astype("float64")
    noisy = BLACK + GAIN * random.poisson(light / GAIN) + random.normal(0, READ, light.shape)
    return np.uint16(np.rint(noisy).clip(0, 65535)), BLACK + light


def make_folder(folder):
    """Noisy files in a folder; the clean values beside them, for the test alone."""
    images = {
        "cat": data.chelsea().mean(axis=-1)[:256, 100:356],
        "cup": data.coffee().mean(axis=-1)[:256, 150:406],
        "camera": data.camera()[:256, 80:336],
    }
    folder.mkdir()
    clean = {}
    for seed, (name, image) in enumerate(images.items()):
        noisy, clean[name] = microscope(image, seed)
        tifffile.imwrite(folder / f"{name}.tif", noisy)
    return clean


def psnr(folder, clean):
    """Mean over the files, of the range of the light."""
    values = []
    for name, truth in clean.items():
        found = tifffile.imread(folder / f"{name}.tif")
        assert found.dtype == np.uint16 and found.shape == truth.shape
        values.append(20 * np.log10(255 * LIGHT / np.sqrt(np.mean((found - truth) ** 2))))
    return float(np.mean(values))


def diagnosed(capfd, folder, output, *more):
    code, text, err = run(capfd, "diagnose", folder, f"--black_level={BLACK}", f"--output={output}", *more)
    assert code == 0 and (output / "index.html").exists(), err
    return text, json.loads((output / "diagnosis.json").read_text())


def trained(capfd, command, run_dir, images, *more):
    """Train as `diagnose` suggests, but for fewer crops; the model's path."""
    arguments = shlex.split(command)[3:]
    code, _, err = run(capfd, "train", *arguments, *SHORT, f"--images={images}", f"--run_dir={run_dir}", *more)
    assert code == 0, err
    return run_dir / "final.keras"


def denoised(capfd, model, source, target, clean):
    code, _, err = run(capfd, "denoise", f"--model={model}", source, f"--output={target}", "--std")
    assert code == 0, err
    return psnr(target, clean)


def test_from_noisy_files_alone(capfd, tmp_path):
    files = tmp_path / "files"
    clean = make_folder(files)
    noisy = psnr(files, clean)

    _, record = diagnosed(capfd, files, tmp_path / "before")
    command = record["verdict"]["train_command"]
    assert "--channels=1" in command and "--value_range=100," in command and not record["overall"]["correlated"]
    fit = record["overall"]
    print({name: fit[name] for name in fit if np.isscalar(fit[name])})

    scratch = trained(capfd, command, tmp_path / "scratch", CROPS, "--filters=24")
    from_scratch = denoised(capfd, scratch, files, tmp_path / "out", clean)
    deviations = tifffile.imread(tmp_path / "out" / "cat.tif.std.tif")
    assert deviations.dtype == np.float32 and 10 < np.median(deviations) < 300

    # A network that learnt from other images gets there in a tenth of the crops.
    start = ("--init=gauss-mono", "--ramp_up=0", "--learning_rate=3e-4")
    tuned = trained(capfd, command, tmp_path / "tuned", CROPS // 10, *start)
    fine_tuned = denoised(capfd, tuned, files, tmp_path / "tuned_out", clean)
    with capfd.disabled():
        print(f"noisy {noisy:.2f} dB, from scratch {from_scratch:.2f} dB, fine-tuned {fine_tuned:.2f} dB: {command}")

    text, _ = diagnosed(capfd, files, tmp_path / "after", f"--model={tuned}")
    assert "After denoising with" in text
    assert from_scratch > noisy + 4
    assert fine_tuned > from_scratch - 0.2
