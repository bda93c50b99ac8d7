"""The authors' program as a row of the comparison: here a stand-in with its modules and calls, written for this."""

import csv
import json
import os
import signal

import numpy as np
import pytest
from command_line import fails, run
from stand_in import make_checkout

from ssdn_keras.evaluation import protocol
from ssdn_keras.interop.original_program import OriginalProgram
from ssdn_keras.noise import parse_noise
from ssdn_keras.reproduction import timing

PROGRAM = """
import tensorflow as tf

def blindspot_pipeline(noisy, level, **arguments):
    print("talk on standard output must not reach the pipe")
    scale = tf.get_variable("scale", [], initializer=tf.constant_initializer(0.5))
    mean = noisy * scale
    loss = tf.reduce_mean(tf.square(mean - noisy), axis=1)
    maps = tf.ones_like(loss) * level[:, 0]
    return mean, mean, loss, maps, maps
"""


@pytest.fixture
def checkout(tmp_path):
    return make_checkout(tmp_path / "checkout", PROGRAM)


def test_it_trains_restores_saves_and_loads_in_a_process_of_its_own(checkout, tmp_path):
    program = OriginalProgram(checkout, "gauss25", "known")
    images = np.random.RandomState(0).random_sample((2, 32, 32, 3)).astype("float32")
    assert program.parameters == 1 and not program.estimated
    loss, denoised = program.train_on(images, [0.1, 0.1], 0.01)
    assert loss == pytest.approx(np.mean((0.5 * images) ** 2), rel=1e-4)
    np.testing.assert_allclose(denoised, 0.5 * images, rtol=1e-6)
    assert program.train_on(images, [0.1, 0.1], 0.01)[0] < loss
    program.save(tmp_path / "variables")
    before = program.restore(images[0], 0.25)
    assert before["denoised"].shape == (32, 32, 3) and before["noise_std"].shape == (32, 32)
    np.testing.assert_allclose(before["noise_std"], 0.25)
    program.train_on(images, [0.1, 0.1], 0.1)
    program.load(tmp_path / "variables")
    np.testing.assert_array_equal(program.restore(images[0], 0.25)["denoised"], before["denoised"])
    program.close()
    assert not list(checkout.rglob("*.pyc")), "the user's checkout stays as it was"


def test_its_test_images_are_squared_up_without_repeating_a_noisy_pixel():
    clean = np.random.RandomState(0).randint(0, 255, (40, 70, 3), dtype=np.uint8)
    test_image = protocol.corrupt(clean, parse_noise("gauss25"), 0, 1, 2)
    square = test_image.squared()
    assert square.shape == (96, 96, 3) and test_image.noisy.shape == (64, 96, 3)
    np.testing.assert_array_equal(square[:64, :96], test_image.noisy)
    assert len(np.unique(square)) > 0.999 * square.size
    np.testing.assert_array_equal(square, protocol.corrupt(clean, parse_noise("gauss25"), 0, 1, 2).squared())


def test_what_is_not_a_checkout_or_fails_ends_in_one_line(checkout, tmp_path, photographs, capfd):
    flags = [f"--train_clean={photographs}", f"--evaluate=a:{photographs}", "--crop=32", f"--out={tmp_path / 'out'}"]
    fails(capfd, 1, "no selfsupervised_denoising.py there", "reproduce", *flags, "--rows=nlm",
          f"--original={tmp_path}")  # fmt: skip
    fails(capfd, 1, "needs --original", "reproduce", *flags, "--rows=original")
    fails(capfd, 1, "--freeze_noise", "reproduce", *flags, "--rows=nlm", f"--original={checkout}", "--freeze_noise")
    fails(capfd, 1, "--optimizer", "reproduce", *flags, "--rows=nlm", f"--original={checkout}", "--optimizer=muon")
    assert not (tmp_path / "out").exists()
    (checkout / "selfsupervised_denoising.py").write_text("raise RuntimeError('no such GPU')")
    with pytest.raises(ValueError, match="no such GPU"):
        OriginalProgram(checkout, "gauss25")


@pytest.mark.slow
def test_as_a_row_it_is_trained_on_goes_on_and_is_drawn(checkout, tmp_path, photographs, capfd, monkeypatch):
    for name in ("WARM_UP", "ROUNDS", "STEPS"):
        monkeypatch.setattr(timing, name, 1)
    out = tmp_path / "out"
    flags = [f"--train_clean={photographs}", f"--evaluate=a:{photographs}", "--crop=32", "--images=8", "--minibatch=2",
             "--validate_every=4", "--val_images=1", "--limit=1", "--rows=nlm", f"--original={checkout}"]  # fmt: skip
    with monkeypatch.context() as context:
        original, calls = OriginalProgram.train_on, []

        def interrupts(self, *arguments):
            calls.append(1)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return original(self, *arguments)

        context.setattr(OriginalProgram, "train_on", interrupts)
        code, _, err = run(capfd, "reproduce", *flags, f"--out={out}")
        assert code == 130 and "start again" in err
    position = out / "rows" / "original" / "position.json"
    assert json.loads(position.read_text()) == {"step": 3}
    with monkeypatch.context() as context:

        def dies(path, write):
            raise KeyboardInterrupt  # as if killed after the program saved and before that was noted

        context.setattr("ssdn_keras.reproduction.original.write_atomically", dies)
        assert run(capfd, "reproduce", *flags, f"--out={out}")[0] == 130
    assert json.loads(position.read_text()) == {"step": 3}
    code, printed, _ = run(capfd, "reproduce", *flags, f"--out={out}")
    assert code == 0 and "Authors' program" in printed
    files = {path.name for path in position.parent.glob("variables-*")}
    assert files == {"variables-4.index", "variables-4.data-00000-of-00001"}
    whole = tmp_path / "whole"
    run(capfd, "reproduce", *flags, f"--out={whole}")
    rows = []
    for folder in (out, whole):
        with open(folder / "rows" / "original" / "metrics.csv", newline="") as file:
            rows.append([(row["images"], row["val_psnr"]) for row in csv.DictReader(file)])
    assert rows[0] == rows[1] and [images for images, _ in rows[0]] == ["4", "8"]
