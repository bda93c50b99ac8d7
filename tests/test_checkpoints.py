"""Checkpoints: whole or absent, the last few and the best, and what happens when one is damaged."""

import dataclasses

import numpy as np
import pytest

from ssdn_keras.training import checkpoint
from ssdn_keras.training.checkpoint import DamagedCheckpoint, Position
from ssdn_keras.training.checkpoints import Checkpoints
from ssdn_keras.training.models import make_model
from ssdn_keras.training.settings import TrainSettings

SETTINGS = TrainSettings(noise="gauss25", channels=1, train_clean="/images", crop=32, minibatch=2, images=24)


@pytest.fixture(scope="module")
def model():
    return make_model(SETTINGS)


def capture(model, step, data="these", **position):
    return checkpoint.capture(model, SETTINGS, Position(step, **position), data)


def test_all_variables_come_back(model, tmp_path):
    before = [np.array(v) for v in (*model.weights, *model.optimizer.variables, *model.metrics_variables)]
    checkpoint.write(tmp_path / "x.npz", capture(model, 4, rate_factor=0.5, bad_steps=2, best_psnr=30.5))
    other = make_model(dataclasses.replace(SETTINGS, seed=5))
    for variable in (*other.optimizer.variables, *other.metrics_variables):
        variable.assign(np.ones(variable.shape, variable.dtype))
    state = checkpoint.read(tmp_path / "x.npz")
    checkpoint.apply(state, other, "x")
    after = [np.array(v) for v in (*other.weights, *other.optimizer.variables, *other.metrics_variables)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    assert state.position == Position(4, 0.5, 2, True, 30.5) and state.data == "these"


def test_a_checkpoint_of_another_training_is_refused(model, tmp_path):
    checkpoints = Checkpoints(tmp_path, SETTINGS, "these")
    checkpoints.write(capture(model, 4))
    changed = dataclasses.replace
    assert Checkpoints(tmp_path, changed(SETTINGS, validate_every=1), "these").newest()[1].position.step == 4
    assert Checkpoints(tmp_path, changed(SETTINGS, strategy="mirrored"), "these").newest()[1].position.step == 4
    with pytest.raises(ValueError, match="another training .*--seed was 0, is 1"):
        Checkpoints(tmp_path, changed(SETTINGS, seed=1), "these").newest()
    with pytest.raises(ValueError, match="images have changed"):
        Checkpoints(tmp_path, SETTINGS, "others").newest()
    colour = make_model(changed(SETTINGS, channels=3))
    with pytest.raises(ValueError, match="does not fit this network"):
        checkpoint.apply(capture(model, 4), colour, "x")


def test_the_last_few_and_the_best_are_kept(model, tmp_path):
    settings = dataclasses.replace(SETTINGS, keep_checkpoints=2)
    checkpoints = Checkpoints(tmp_path, settings, "these")
    checkpoints.write_best(capture(model, 1))
    for step in (2, 4, 6):
        checkpoints.write(capture(model, step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000008.npz", "000000012.npz", "best.npz"]
    checkpoints.forget_after(4)
    assert checkpoints.newest()[1].position.step == 4
    assert Checkpoints(tmp_path / "none", settings).newest() is None


def damage(path, kind):
    whole = path.read_bytes()
    if kind == "flipped":  # inside of the stored numbers, past what the archive itself would notice
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        arrays["model/0000"] = arrays["model/0000"] + np.float32(1)
        np.savez(path, **arrays)
    elif kind == "other":
        np.savez(path, a=np.zeros(3))
    else:
        path.write_bytes(whole[: {"empty": 0, "header": 100, "half": len(whole) // 2, "tail": len(whole) - 10}[kind]])


@pytest.mark.parametrize("kind", ["flipped", "other", "empty", "header", "half", "tail"])
def test_a_damaged_one_is_reported_and_the_one_before_is_used(model, tmp_path, capfd, kind):
    checkpoints = Checkpoints(tmp_path, SETTINGS, "these")
    checkpoints.write(capture(model, 2))
    checkpoints.write(capture(model, 4))
    damage(tmp_path / "000000008.npz", kind)
    with pytest.raises(DamagedCheckpoint):
        checkpoint.read(tmp_path / "000000008.npz")
    path, state = checkpoints.newest()
    assert path.name == "000000004.npz" and state.position.step == 2
    assert "000000008.npz: the checkpoint is damaged" in capfd.readouterr().err
    damage(path, kind)
    with pytest.raises(ValueError, match="there is none before; remove the run folder"):
        checkpoints.newest()


def test_a_newer_format_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    checkpoint.write(tmp_path / "x.npz", capture(model, 2))
    monkeypatch.undo()
    with pytest.raises(ValueError, match="newer version"):
        checkpoint.read(tmp_path / "x.npz")


def test_those_written_among_skipped_steps_are_not_gone_back_to(model, tmp_path):
    checkpoints = Checkpoints(tmp_path, SETTINGS, "these")
    checkpoints.write(capture(model, 2))
    checkpoints.write(capture(model, 4, bad_steps=3))
    assert checkpoints.newest()[1].position.step == 4
    assert checkpoints.newest_good()[1].position.step == 2


def test_one_that_cannot_be_written_leaves_the_old_one(model, tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    checkpoint.write(path, capture(model, 4))
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write(path, capture(model, 8))
    assert path.read_bytes() == before and not list(tmp_path.glob(".*"))
