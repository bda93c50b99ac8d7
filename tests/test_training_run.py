"""Whole trainings: exact resumption, records, refusals."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest
from command_line import run

import ssdn_keras
from ssdn_keras.training.models import make_model
from ssdn_keras.training.run import train
from ssdn_keras.training.settings import TrainSettings


@pytest.fixture
def settings(photographs):
    return TrainSettings(
        noise="gauss5_50", channels=1, train_clean=str(photographs), crop=32, minibatch=2, images=24,
        checkpoint_every=8, validate_every=12, learning_rate=1e-3,
    )  # fmt: skip


def weights(path):
    return ssdn_keras.load(path).get_weights()


def stop_at(monkeypatch, step):
    """Make the next training break off hard after so many steps, as a power cut would."""
    from ssdn_keras.training.records import Records

    original = Records.on_train_batch_end

    def breaks(self, batch, logs=None):
        original(self, batch, logs)
        if self.position.step == step:
            raise RuntimeError("power cut")

    monkeypatch.setattr(Records, "on_train_batch_end", breaks)


@pytest.mark.parametrize("changes", [
    {}, {"noise_parameter": "per_image", "ema": 0.9}, {"algorithm": "n2n", "noise": "impulse0_100"},
    {"algorithm": "n2v", "freeze_noise": True}, {"optimizer": "muon", "filters": 8},
])  # fmt: skip
def test_a_training_that_was_stopped_gives_the_same_weights(settings, tmp_path, monkeypatch, changes):
    settings = dataclasses.replace(settings, **changes)
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    final = train(settings, tmp_path / "whole").final
    with monkeypatch.context() as context:
        stop_at(context, 6)  # the last checkpoint is that of step 4
        with pytest.raises(RuntimeError, match="power cut"):
            train(settings, tmp_path / "broken")
    assert not (tmp_path / "broken" / "final.keras").exists()
    resumed = train(settings, tmp_path / "broken").final
    for a, b in zip(weights(final), weights(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(weights(final)) == len(make_model(settings).get_weights())


def test_what_a_run_leaves_behind(settings, photographs, tmp_path):
    settings = dataclasses.replace(settings, val_clean=str(photographs), val_images=2)
    final = train(settings, tmp_path).final
    with open(tmp_path / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["images"]) for row in rows] == [12, 24]
    for row in rows:
        assert all(np.isfinite(float(row[name])) for name in ("loss", "psnr", "val_psnr", "val_psnr_noisy"))
        assert row["skipped_steps"] == "0.0"
    assert "--noise=gauss5_50" in (tmp_path / "flags.cfg").read_text().splitlines()
    assert list((tmp_path / "tensorboard").iterdir())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".writing")]
    model = ssdn_keras.load(final)
    assert model.get_config()["noise_range"] == [5.0, 50.0]
    before = final.stat().st_mtime_ns
    assert train(settings, tmp_path).final == final and final.stat().st_mtime_ns >= before


def test_noisy_images_alone(settings, photographs, tmp_path):
    settings = dataclasses.replace(
        settings, noise="gauss", noise_parameter="global", train_noisy=str(photographs), train_clean=None
    )
    train(settings, tmp_path)
    with open(tmp_path / "metrics.csv") as file:
        last = list(csv.DictReader(file))[-1]
    assert last["psnr"] == "" and float(last["noise_level"]) > 0


def test_fine_tuning_starts_from_the_weights_of_a_model(settings, tmp_path):
    first = make_model(settings)
    for variable in first.trainable_variables:
        variable.assign(variable + 0.25)
    first.save(tmp_path / "first.keras")
    tuned = make_model(dataclasses.replace(settings, init=str(tmp_path / "first.keras"), noise="gauss10"))
    for a, b in zip(first.get_weights(), tuned.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    unknown = make_model(dataclasses.replace(settings, init=str(tmp_path / "first.keras"), noise_parameter="per_image"))
    for a, b in zip(first.network.get_weights(), unknown.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="channels is 1, not 3"):
        make_model(dataclasses.replace(settings, init=str(tmp_path / "first.keras"), channels=3))
    with pytest.raises(ValueError, match="filters is 48, not 8"):
        make_model(dataclasses.replace(settings, init=str(tmp_path / "first.keras"), filters=8))
    # What clean pixels may be does not depend on the noise.
    other = make_model(dataclasses.replace(settings, init=str(tmp_path / "first.keras"), noise="poisson30"))
    for ours, theirs in zip(other.network.get_weights(), first.network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_training_takes_the_width_of_what_it_starts_from(capfd, photographs, tmp_path):
    ssdn_keras.Denoiser("gauss", "per_image", channels=1, filters=6, estimator_filters=3).save(tmp_path / "x.keras")
    code, _, err = run(
        capfd, "train", f"--train_clean={photographs}", f"--init={tmp_path / 'x.keras'}", "--noise=gauss25",
        "--noise_parameter=per_image", "--channels=1", "--crop=32", "--images=4", f"--run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert code == 0, err
    lines = (tmp_path / "run" / "flags.cfg").read_text().splitlines()
    assert "--filters=6" in lines and "--estimator_filters=3" in lines
    model = ssdn_keras.load(tmp_path / "run" / "final.keras")
    assert (model.filters, model.estimator_filters) == (6, 3)


@pytest.mark.slow
def test_the_network_learns_to_denoise(photographs, tmp_path):
    """A short training raises the PSNR of images that it was not trained on by over a dB."""
    held_out = tmp_path / "held_out"
    held_out.mkdir()
    shutil.copy(photographs / "b.png", held_out)
    (photographs / "b.png").unlink()
    settings = TrainSettings(
        noise="gauss25", train_clean=str(photographs), val_clean=str(held_out), val_images=1, crop=64, minibatch=2,
        images=240, learning_rate=2e-3, freeze_noise=True, checkpoint_every=0, validate_every=0,
    )  # fmt: skip
    train(settings, tmp_path)
    with open(tmp_path / "metrics.csv") as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["val_psnr"]) > float(last["val_psnr_noisy"]) + 1
    assert float(last["val_psnr"]) > float(last["val_psnr_mean"])


def test_a_setting_that_an_older_version_lacked_counts_as_its_default(settings):
    older = {name: value for name, value in settings.as_dict().items() if not name.startswith("n2v")}
    assert settings.differences(older) == {}
    assert dataclasses.replace(settings, n2v_box=5).differences(older) == {"n2v_box": (8, 5)}
