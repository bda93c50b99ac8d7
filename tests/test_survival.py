"""What a training survives: being killed, a full disk, a folder in use, steps that turn bad."""

import csv
import dataclasses
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import ssdn_keras
from ssdn_keras.training import records
from ssdn_keras.training.run import train
from ssdn_keras.training.run_folder import locked, next_folder
from ssdn_keras.training.settings import TrainSettings
from ssdn_keras.training.validation import Validation

SMALL = ["--noise=gauss25", "--channels=1", "--crop=32", "--minibatch=2", "--learning_rate=1e-3", "--ema=0.9"]


@pytest.fixture
def settings(photographs):
    return TrainSettings(
        noise="gauss25", channels=1, train_clean=str(photographs), crop=32, minibatch=2, images=24,
        checkpoint_every=4, validate_every=4, learning_rate=1e-3,
    )  # fmt: skip


def weights(path):
    return ssdn_keras.load(path).get_weights()


def assert_same_weights(a, b):
    for one, other in zip(weights(a), weights(b), strict=True):
        np.testing.assert_array_equal(one, other)


def start(run_dir, photographs, *flags, **options):
    """A training in a process of its own."""
    command = [sys.executable, "-m", "ssdn_keras.train", f"--train_clean={photographs}", f"--run_dir={run_dir}"]
    return subprocess.Popen(
        [*command, *SMALL, *flags], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )


def images_of(run_dir):
    with open(run_dir / "metrics.csv", newline="") as file:
        return [int(row["images"]) for row in csv.DictReader(file)]


def tensorboard_steps(run_dir, tag="loss"):
    import tensorflow as tf

    steps = []
    for path in (run_dir / "tensorboard").glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            steps += [event.step for value in event.summary.value if value.tag == tag]
    return sorted(steps)


def newest(run_dir):
    return max((int(path.stem) for path in (run_dir / "checkpoints").glob("0*.npz")), default=0)


def wait_for(condition, process, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_at_twenty_moments_it_ends_with_the_same_weights(photographs, tmp_path):
    """A checkpoint is written after every step, so that many kills fall into the writing of one."""
    flags = ["--images=400", "--checkpoint_every=2", "--validate_every=20"]
    assert start(tmp_path / "whole", photographs, *flags).wait() == 0
    run_dir, chance, kills, in_writing = tmp_path / "killed", random.Random(0), 0, 0
    while kills < 20:
        process = start(run_dir, photographs, *flags)
        before, pause = newest(run_dir), chance.uniform(0.0, 1.0)
        try:
            wait_for(lambda: newest(run_dir) > before, process)  # noqa: B023
        except AssertionError:
            break  # it has ended
        time.sleep(pause)
        process.kill()
        process.communicate()
        kills += 1
        in_writing += bool(list(run_dir.rglob(".writing*")))
    assert kills == 20, f"the training was too short for 20 kills: {kills}"
    assert start(run_dir, photographs, *flags).wait() == 0
    assert_same_weights(tmp_path / "whole" / "final.keras", run_dir / "final.keras")
    expected = list(range(20, 401, 20))
    assert images_of(run_dir) == images_of(tmp_path / "whole") == expected
    assert tensorboard_steps(run_dir) == expected
    with open(tmp_path / "whole" / "metrics.csv") as one, open(run_dir / "metrics.csv") as other:
        for a, b in zip(csv.DictReader(one), csv.DictReader(other), strict=True):
            assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert not list(run_dir.rglob(".writing*"))
    print(f"{in_writing} of 20 kills left a half-written file behind")


def test_killed_while_a_checkpoint_is_written(photographs, settings, tmp_path):
    flags = ["--images=12", "--checkpoint_every=4", "--validate_every=4"]
    run_dir = tmp_path / "run"
    code = (
        "import os, signal, numpy\n"
        "from ssdn_keras.training.checkpoints import Checkpoints\n"
        "save = numpy.savez\n"
        "def dies(file, **arrays):\n"
        "    save(file, **arrays); file.flush()\n"
        "    if list(Checkpoints.instances[0]._folder.glob('0*')): os.kill(os.getpid(), signal.SIGKILL)\n"
        "numpy.savez = dies\n"
        "made = Checkpoints.__init__\n"
        "def remember(self, *a, **k):\n"
        "    made(self, *a, **k); Checkpoints.instances = [self]\n"
        "Checkpoints.__init__ = remember\n"
        "from ssdn_keras.train import COMMAND, main\n"
        "COMMAND.run(main)\n"
    )
    arguments = [f"--train_clean={photographs}", f"--run_dir={run_dir}", *SMALL, *flags]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True)
    assert done.returncode == -signal.SIGKILL and newest(run_dir) == 4
    assert list((run_dir / "checkpoints").glob(".writing*"))
    resumed = dataclasses.replace(settings, images=12, ema=0.9)
    train(resumed, run_dir)
    assert images_of(run_dir) == tensorboard_steps(run_dir) == [4, 8, 12]
    assert not list(run_dir.rglob(".writing*"))
    (tmp_path / "whole").mkdir()
    train(resumed, tmp_path / "whole")
    assert_same_weights(tmp_path / "whole" / "final.keras", run_dir / "final.keras")


@pytest.mark.slow
def test_sigterm_in_a_long_step(photographs, tmp_path):
    """A step that takes much longer than the patience of a scheduler: what the step before gave is saved."""
    run_dir = tmp_path / "run"
    flags = ["--images=400", "--checkpoint_every=0", "--validate_every=0", "--crop=64", "--minibatch=80"]
    process = start(run_dir, photographs, *flags)
    try:
        time.sleep(1)
        shown = ""
        while not re.search(r"[1-9]\d*/400", shown):  # the bar has moved: a step is done, the next is under way
            shown += process.stderr.read(1)
            assert process.poll() is None, shown
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.wait(60)
        print(f"ended after {time.monotonic() - began:.1f} s")  # not asserted: a busy machine may take its time
    finally:
        process.kill()
    assert process.returncode == 143
    assert newest(run_dir) >= 80 or "in the middle of a step" in process.stderr.read()


def test_sigterm_between_steps_has_its_own_exit_code(photographs, tmp_path):
    run_dir = tmp_path / "run"
    process = start(run_dir, photographs, "--images=4000", "--checkpoint_every=2", "--validate_every=0")
    wait_for(lambda: newest(run_dir) > 2, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and "to go on" in err and "Traceback" not in err


def test_a_stop_before_the_record_is_made_up_for(settings, photographs, tmp_path, monkeypatch):
    """SIGTERM during a validation: the checkpoint is of before the record, which the next start writes first."""
    settings = dataclasses.replace(settings, val_clean=str(photographs), val_images=1, images=12)
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    train(settings, tmp_path / "whole")

    def ends(code):
        raise SystemExit(code)

    def slow_validation(self, model):
        if self.after == 2:
            callback.append(1)
            records_of[0]._emergency()
        self.after += 1
        return original(self, model)

    callback, records_of = [], []
    made, original = records.Records.__init__, Validation.run
    monkeypatch.setattr(Validation, "after", 1, raising=False)

    def remember(self, *arguments, **options):
        made(self, *arguments, **options)
        records_of.append(self)

    with monkeypatch.context() as context:
        context.setattr(records.Records, "__init__", remember)
        context.setattr(records.os, "_exit", ends)
        context.setattr(Validation, "run", slow_validation)
        with pytest.raises(SystemExit) as ended:
            train(settings, tmp_path / "stopped")
    assert ended.value.code == 143 and callback
    assert images_of(tmp_path / "stopped") == [4] and newest(tmp_path / "stopped") == 8
    train(settings, tmp_path / "stopped")
    with open(tmp_path / "whole" / "metrics.csv") as one, open(tmp_path / "stopped" / "metrics.csv") as other:
        for a, b in zip(csv.DictReader(one), csv.DictReader(other), strict=True):
            assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert_same_weights(tmp_path / "whole" / "final.keras", tmp_path / "stopped" / "final.keras")


def test_a_folder_in_use(settings, tmp_path):
    code = (
        "import sys, time\nfrom ssdn_keras.training.run_folder import locked\n"
        f"with locked({str(tmp_path)!r}):\n    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(BlockingIOError, match=f"in use by process {holder.pid} on .*another --run_dir"):
            train(settings, tmp_path)
    finally:
        holder.kill()
        holder.wait()
    with locked(tmp_path):  # the operating system has dropped the lock of the killed process
        pass


def test_a_full_disk_for_a_while_costs_nothing(settings, tmp_path, monkeypatch, capfd):
    from ssdn_keras.training import checkpoint

    for name in ("whole", "full"):
        (tmp_path / name).mkdir()
    train(settings, tmp_path / "whole")
    write, calls = checkpoint.write_atomically, []

    def full(path, function):
        calls.append(path)
        if len(calls) in (2, 3):
            raise OSError(28, "No space left on device", str(path))
        write(path, function)

    with monkeypatch.context() as context:
        context.setattr(checkpoint, "write_atomically", full)
        train(settings, tmp_path / "full")
    err = capfd.readouterr().err
    assert "could not write, the training goes on" in err and "No space left on device" in err
    assert_same_weights(tmp_path / "whole" / "final.keras", tmp_path / "full" / "final.keras")


def test_no_file_larger_than_so(photographs, tmp_path):
    """A real limit of the operating system: nothing can be written, and what is said is one line."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))  # noqa: E731
    flags = ["--images=8", "--checkpoint_every=4", "--validate_every=0"]
    process = start(tmp_path / "run", photographs, *flags, preexec_fn=limit)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1 and "File too large" in err and "Traceback" not in err
    assert not list((tmp_path / "run").rglob("*.npz")) and not list((tmp_path / "run").rglob(".writing*"))
    assert start(tmp_path / "run", photographs, *flags).wait() == 0


def turn_bad(monkeypatch, first, last):
    """Let the loss of steps `first` to `last` be NaN, once each; steps are counted over the whole test."""
    from ssdn_keras.data import pipeline

    make = pipeline._Examples.__call__
    import tensorflow as tf

    def poisoned(self, index):
        inputs, targets = make(self, index)
        bad = (index >= 2 * first) & (index < 2 * last + 2)
        inputs = {**inputs, "noisy": tf.where(bad, float("nan"), inputs["noisy"])}
        return inputs, targets

    monkeypatch.setattr(pipeline._Examples, "__call__", poisoned)


def test_some_bad_steps_are_skipped_and_counted(settings, tmp_path, monkeypatch):
    turn_bad(monkeypatch, 3, 4)
    train(dataclasses.replace(settings, max_bad_steps=3), tmp_path)
    with open(tmp_path / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["skipped_steps"]) == 2
    assert all(np.isfinite(w).all() for w in weights(tmp_path / "final.keras"))


def test_too_many_bad_steps_lead_back_with_a_lower_rate(settings, tmp_path, monkeypatch, capfd):
    """The crops stay bad here, so every return fails as well, and after five of them the training says so."""
    turn_bad(monkeypatch, 6, 11)
    with pytest.raises(ValueError, match="went bad 6 times.*lower --learning_rate"):
        train(dataclasses.replace(settings, max_bad_steps=3), tmp_path)
    err = capfd.readouterr().err
    assert "3 steps in a row had no finite gradient: back to step 6, learning rate times 0.5" in err
    assert "times 0.03125" in err
    assert newest(tmp_path) == 16, "the last state is kept, whoever wants to go on with another rate may"
    assert images_of(tmp_path) == [4, 8, 12, 16]


def test_a_training_that_was_led_back_ends(settings, tmp_path, monkeypatch, capfd):
    """The loss is bad as long as the rate is the full one."""
    from ssdn_keras.training import run

    make = run.make_model

    def fragile(settings, *arguments, rate_factor=1.0, **options):
        model = make(settings, *arguments, rate_factor=rate_factor, **options)
        if rate_factor == 1.0:
            loss = model._loss_map
            from keras import ops

            def bad(*a):
                late = ops.cast(model.optimizer.iterations, "float32") >= 6.0
                return loss(*a) * ops.where(late, float("nan"), 1.0)

            model._loss_map = bad
        return model

    monkeypatch.setattr(run, "make_model", fragile)
    outcome = train(dataclasses.replace(settings, max_bad_steps=3), tmp_path)
    assert "back to step 6, learning rate times 0.5" in capfd.readouterr().err
    assert outcome.final.exists() and images_of(tmp_path) == list(range(4, 25, 4))
    with open(tmp_path / "metrics.csv") as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert tensorboard_steps(tmp_path) == list(range(4, 25, 4))
    assert rates[2] == pytest.approx(1e-3, rel=0.1) and rates[3] < 0.6e-3


def test_numbered_folders(tmp_path):
    assert next_folder(tmp_path, "a").name == "0001-a"
    (tmp_path / "0007-b").mkdir()
    assert next_folder(tmp_path, "c").name == "0008-c"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001-a", "0007-b", "0008-c"]


def test_a_flag_file_repeats_the_run(photographs, tmp_path):
    first = start(tmp_path / "first", photographs, "--images=8", "--checkpoint_every=0", "--validate_every=0")
    assert first.wait() == 0
    command = [sys.executable, "-m", "ssdn_keras.train", f"--flagfile={tmp_path / 'first' / 'flags.cfg'}"]
    found = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=found)
    assert done.returncode == 0, done.stderr
    again = tmp_path / "runs" / "0001-gauss25-ssdn-known-mono"
    assert f"run folder: {again.relative_to(tmp_path)}" in done.stderr
    assert_same_weights(tmp_path / "first" / "final.keras", again / "final.keras")
