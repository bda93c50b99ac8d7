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

BLACK, GAIN, READ = 100, 6.0, 60.0
CROPS = 1600
# What makes a short training of the suggested one.
SHORT = ["--crop=32", "--minibatch=2", "--learning_rate=1.5e-3", "--ramp_down=0.5", "--checkpoint_every=0",
         "--validate_every=0"]  # fmt: skip


def microscope(clean, seed):
    """16-bit values of photon counts, with read noise on a black level: clean grey levels to (noisy, clean) values."""
    random = np.random.default_rng(seed)
    light = 12.0 * clean.astype("float64")
    noisy = BLACK + GAIN * random.poisson(light / GAIN) + random.normal(0, READ, light.shape)
    return np.uint16(np.rint(noisy).clip(0, 65535)), BLACK + light


def make_folder(folder, images):
    """Noisy files in a folder; the clean values beside them, for the test alone."""
    folder.mkdir()
    clean = {}
    for seed, (name, image) in enumerate(images.items()):
        noisy, clean[name] = microscope(image, seed)
        tifffile.imwrite(folder / f"{name}.tif", noisy)
    return clean


def psnr(folder, clean):
    """Mean over the files, against the brightest clean value."""
    values = []
    for name, truth in clean.items():
        found = tifffile.imread(folder / f"{name}.tif")
        assert found.dtype == np.uint16 and found.shape == truth.shape
        values.append(20 * np.log10((truth.max() - BLACK) / np.sqrt(np.mean((found - truth) ** 2))))
    return float(np.mean(values))


def train(capfd, command, run_dir, images, *more):
    """Train as `diagnose` suggests, but for fewer crops; the model's path."""
    arguments = shlex.split(command)[3:]
    code, _, err = run(capfd, "train", *arguments, *SHORT, f"--images={images}", f"--run_dir={run_dir}", *more)
    assert code == 0, err
    return run_dir / "final.keras"


def denoise(capfd, model, source, target, *more):
    code, _, err = run(capfd, "denoise", f"--model={model}", source, f"--output={target}", *more)
    assert code == 0, err


def test_from_noisy_files_alone(capfd, tmp_path):
    first = {
        "camera": data.camera()[:256, 80:336],
        "coins": data.coins()[:256, :256],
        "moon": data.moon()[128:384, :256],
    }
    chelsea = data.chelsea().mean(axis=-1)
    second = {"cat": chelsea[:256, 100:356], "cup": data.coffee().mean(axis=-1)[:256, 150:406]}
    clean = make_folder(tmp_path / "first", first), make_folder(tmp_path / "second", second)

    code, text, err = run(
        capfd, "diagnose", tmp_path / "second", f"--black_level={BLACK}", f"--output={tmp_path / 'd'}"
    )
    assert code == 0, err
    record = json.loads((tmp_path / "d" / "diagnosis.json").read_text())
    command = record["verdict"]["train_command"]
    assert "--channels=1" in command and not record["overall"]["correlated"]

    scratch = train(capfd, command, tmp_path / "scratch", CROPS)
    denoise(capfd, scratch, tmp_path / "second", tmp_path / "out", "--std")
    noisy, denoised = psnr(tmp_path / "second", clean[1]), psnr(tmp_path / "out", clean[1])
    deviations = tifffile.imread(tmp_path / "out" / "cat.tif.std.tif")
    assert deviations.dtype == np.float32 and 5 < np.median(deviations) < 200
    code, text, err = run(
        capfd,
        "diagnose",
        tmp_path / "second",
        f"--model={scratch}",
        f"--black_level={BLACK}",
        f"--output={tmp_path / 'e'}",
    )
    assert code == 0, err
    assert "After denoising with" in text

    # Fine-tuned: a network of other images gets there in a tenth of the crops.
    other = train(capfd, command.replace("second", "first"), tmp_path / "other", CROPS)
    tuned = train(capfd, command, tmp_path / "tuned", CROPS // 10, f"--init={other}", "--ramp_up=0")
    denoise(capfd, tuned, tmp_path / "second", tmp_path / "tuned_out")
    fine = psnr(tmp_path / "tuned_out", clean[1])
    print(f"noisy {noisy:.2f} dB, from scratch {denoised:.2f} dB, fine-tuned {fine:.2f} dB: {command}")
    assert denoised > noisy + 3
    assert fine > denoised - 0.3
