"""However many replicas share a minibatch: the same crops, the same gradients, the same weights."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from skimage import data

import ssdn_keras
from ssdn_keras.data import training_crops
from ssdn_keras.training import checkpoint
from ssdn_keras.training.models import make_model
from ssdn_keras.training.replicas import make_replicas
from ssdn_keras.training.settings import TrainSettings

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute needs the TensorFlow backend"
)

TRAININGS = [("known", "adam"), ("per_image", "adam"), ("known", "muon")]
# One training of 20 steps at the full constant rate, on so many logical devices; what it gave goes to a file.
PROGRAM = """
import json, sys
import numpy as np
import keras
import ssdn_keras
from ssdn_keras.data import training_crops
from ssdn_keras.training import checkpoint
from ssdn_keras.training.models import make_model
from ssdn_keras.training.replicas import make_replicas
from ssdn_keras.training.settings import TrainSettings
from skimage import data

strategy, devices, parameter, optimizer, start, path = sys.argv[1:]
settings = TrainSettings(noise="gauss25", noise_parameter=parameter, channels=1, crop=32, minibatch=4, images=80,
                         ramp_up=0, ramp_down=0, optimizer=optimizer)
replicas = make_replicas(strategy, devices)
replicas.check_minibatch(settings.minibatch)
with replicas.scope():
    model = make_model(settings, compiler=replicas.compiler)
    checkpoint.apply(checkpoint.read(start), model, start)

def momenta():
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
    return [np.array(v) for v in model.optimizer.variables if "momentum" in v.path]

before, first, once, began = momenta(), [], [], model.get_weights()

class First(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:  # Adam's first moment keeps nine tenths and takes a tenth of the gradient; Muon's keeps more
            keeps = 0.9 if optimizer == "adam" else 0.95  # of what Adam updates, it is not the gradient: as linear
            first.extend(10 * (new - keeps * old) for new, old in zip(momenta(), before))
            once.extend(model.get_weights())

def crops():
    return training_crops([data.camera()], settings.noise, crop=32, minibatch=4, channels=1, count=80,
                          worker=replicas.worker, workers=replicas.workers)

history = model.fit(replicas.distribute(crops), steps_per_epoch=20, verbose=0, callbacks=[First()]).history
replicas.agree({"weights": float(sum(np.abs(w).sum() for w in model.get_weights()))})
if replicas.chief:
    arrays = {f"gradient{i}": g for i, g in enumerate(first)}
    arrays.update({f"start{i}": w for i, w in enumerate(began)})
    arrays.update({f"once{i}": w for i, w in enumerate(once)})
    arrays.update({f"weight{i}": w for i, w in enumerate(model.get_weights())})
    np.savez(path, loss=history["loss"], psnr=history["psnr"], count=replicas.count, **arrays)
replicas.meet()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cluster(workers):
    """Environments of so many workers on this machine."""
    names = [f"127.0.0.1:{free_port()}" for _ in range(workers)]
    return [
        {**os.environ, "TF_CONFIG": json.dumps({"cluster": {"worker": names}, "task": {"type": "worker", "index": i}})}
        for i in range(workers)
    ]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Checkpoints of trainings that have run for a while, by noise parameter and optimiser.

    Adam's first steps are all of the same size, whatever the gradient: there the last bit of a sum decides about the
    sign of many, and a training lies as far from its own double as from any other.
    """
    folder, paths = tmp_path_factory.mktemp("start"), {}
    for parameter, optimizer in TRAININGS:
        settings = TrainSettings(
            noise="gauss25", noise_parameter=parameter, channels=1, crop=32, minibatch=4, images=800,
            learning_rate=1e-3, optimizer=optimizer,
        )  # fmt: skip
        model = make_model(settings)
        model.fit(training_crops([data.camera()], "gauss25", crop=32, channels=1, count=800, seed=9), verbose=0)
        paths[parameter, optimizer] = path = folder / f"{parameter}-{optimizer}.npz"
        checkpoint.write(path, checkpoint.capture(model, settings, checkpoint.Position(200)))
    return paths


def run_program(
    path, start, strategy="one", devices="all", parameter="known", optimizer="adam", workers=1, **environment
):
    environments = cluster(workers) if strategy == "multiworker" else [{**os.environ, **environment}]
    command = [sys.executable, "-c", PROGRAM, strategy, devices, parameter, optimizer]
    command += [str(start[parameter, optimizer]), str(path)]
    started = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for env in environments]
    for process in started:
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err[-3000:]
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def distance(one, other, kind, of_other=None):
    """Of all arrays of a kind together, relative to their norm; `of_other`: another kind to compare with."""
    a, b = (
        np.concatenate([values.ravel() for name, values in sorted(z.items()) if name.startswith(kind)])
        for z, kind in ((one, kind), (other, of_other or kind))
    )
    assert len(a) > 1000
    return np.linalg.norm(a - b) / np.linalg.norm(a)


def assert_same_training(one, other, count, kind="weight"):
    """`kind`: weights to compare, those after the training or "once", after its first step."""
    assert int(other["count"]) == count
    gradients, weights = (distance(one, other, kind) for kind in ("gradient", kind))
    moved = distance(one, one, kind, "start")
    print(f"gradients {gradients:.1e}, weights {weights:.1e} apart, moved {moved:.1e}")
    assert gradients < 1e-5 and weights < min(1e-4, 0.01 * moved)
    for name in ("loss", "psnr"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4 if kind == "weight" else 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("parameter,optimizer", TRAININGS)
def test_two_replicas_train_as_one(start, tmp_path, parameter, optimizer):
    one = run_program(tmp_path / "one.npz", start, parameter=parameter, optimizer=optimizer)
    two = run_program(tmp_path / "two.npz", start, "mirrored", "cpu*2", parameter, optimizer)
    # Muon takes directions in which a momentum is next to nothing, rounding too, as far as all others: after 20 steps
    # two trainings lie apart whose first steps agree.
    assert_same_training(one, two, 2, "weight" if optimizer == "adam" else "once")


@pytest.mark.slow
def test_two_workers_train_as_one(start, tmp_path):
    one = run_program(tmp_path / "one.npz", start)
    two = run_program(tmp_path / "two.npz", start, "multiworker", workers=2)
    assert_same_training(one, two, 2)


@pytest.mark.slow
def test_two_devices_of_jax_train_as_one(start, tmp_path):
    pytest.importorskip("jax")
    one = run_program(tmp_path / "one.npz", start, KERAS_BACKEND="jax")
    flags = "--xla_force_host_platform_device_count=2"
    two = run_program(tmp_path / "two.npz", start, "mirrored", KERAS_BACKEND="jax", XLA_FLAGS=flags)
    assert_same_training(one, two, 2)


# A step, a step with one value that is no number, a step: what the bad one changed goes to standard output.
BAD_STEP = """
import keras, numpy as np, tensorflow as tf
import ssdn_keras
from ssdn_keras.training.replicas import make_replicas

replicas = make_replicas(*__import__("sys").argv[1:3])
with replicas.scope():
    model = ssdn_keras.Denoiser("gauss25", channels=1)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=replicas.compiler)
noisy = np.random.default_rng(0).random((4, 32, 32, 1), "float32")
bad = noisy.copy()
bad[3, 5, 5] = np.nan

def fit(images):
    mine = {"noisy": images[replicas.worker :: replicas.workers]}
    data = lambda: tf.data.Dataset.from_tensor_slices(mine).batch(4 // replicas.workers, drop_remainder=True)
    history = model.fit(replicas.distribute(data), steps_per_epoch=1, verbose=0).history
    return history["skipped_steps"][0], [np.array(v) for v in [*model.weights, *model.optimizer.variables]]

_, before = fit(noisy)
skipped, after = fit(bad)
_, last = fit(noisy)
replicas.meet()
if replicas.chief:
    print("skipped", skipped, "changed", sum(not np.array_equal(a, b) for a, b in zip(before, after)),
          "then", sum(not np.array_equal(a, b) for a, b in zip(after, last)) > 50)
"""


@pytest.mark.slow
@pytest.mark.parametrize("strategy, workers", [("mirrored", 1), ("multiworker", 2)])
def test_a_bad_step_of_one_replica_is_skipped_whole_by_all(strategy, workers):
    devices = "cpu*2" if strategy == "mirrored" else "all"
    environments = cluster(workers) if strategy == "multiworker" else [os.environ]
    command = [sys.executable, "-c", BAD_STEP, strategy, devices]
    started = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for env in environments
    ]
    outputs = [process.communicate(timeout=600) for process in started]
    for process, (_, err) in zip(started, outputs, strict=True):
        assert process.returncode == 0, err[-3000:]
    assert outputs[0][0].strip() == "skipped 1.0 changed 0 then True"


def test_the_parts_of_all_workers_are_the_minibatch():
    image = np.random.RandomState(0).rand(64, 64, 1).astype("float32")
    options = {"noise": "gauss5_50", "crop": 16, "minibatch": 6, "channels": 1, "count": 18, "start": 6}
    whole = [x["noisy"].numpy() for x, _ in ssdn_keras.data.training_crops([image], **options)]
    parts = [
        [x["noisy"].numpy() for x, _ in ssdn_keras.data.training_crops([image], **options, worker=w, workers=3)]
        for w in range(3)
    ]
    assert len(whole) == 3 and all(len(part) == 3 for part in parts)
    for number, batch in enumerate(whole):
        np.testing.assert_array_equal(batch, np.concatenate([part[number] for part in parts]))
    flat = whole[0].reshape(6, -1)
    assert len({tuple(row) for row in flat}) == 6, "noise and crops differ between replicas"
    with pytest.raises(ValueError, match="6 has no part 0 of 4 equal ones"):
        ssdn_keras.data.training_crops([image], **options, worker=0, workers=4)


@pytest.mark.parametrize("strategy, devices, config, message", [
    ("one", "0,1", None, "several devices need --strategy=mirrored"),
    ("one", "7", None, "there is no device 7; found 0"),
    ("mirrored", "0,0", None, "give numbers of GPUs such as 0,2"),
    ("mirrored", "gpu", None, "give numbers of GPUs such as 0,2"),
    ("mirrored", "9", None, "there is no device 9"),
    ("mirrored", "cpu*x", None, "give a number from 1 to 64"),
    ("multiworker", "all", None, "needs TF_CONFIG"),
    ("multiworker", "all", "{", "TF_CONFIG cannot be used"),
    ("multiworker", "all", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}', "but 1 workers"),
    ("multiworker", "all", '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}', "HOST:PORT"),
    ("multiworker", "all", '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
     "only tasks of the type worker"),
    ("multiworker", "all", '{"cluster": {}}', "'worker' is missing"),
])  # fmt: skip
def test_errors(monkeypatch, strategy, devices, config, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match=message):
        make_replicas(strategy, devices)


def test_a_minibatch_that_cannot_be_shared():
    replicas = make_replicas()
    replicas.count = 3
    with pytest.raises(ValueError, match="--minibatch=4 cannot be shared by 3 replicas; give a multiple of 3"):
        replicas.check_minibatch(4)


TRAIN = ["--noise=gauss25", "--channels=1", "--crop=32", "--minibatch=4", "--learning_rate=1e-3", "--validate_every=8"]


def train(run_dir, photographs, *flags, env=None):
    command = [sys.executable, "-m", "ssdn_keras.train", f"--train_clean={photographs}", f"--run_dir={run_dir}"]
    return subprocess.Popen(
        [*command, *TRAIN, *flags], env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def newest(run_dir):
    return max((int(path.stem) for path in (run_dir / "checkpoints").glob("0*.npz")), default=0)


def wait_for(condition, processes, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end and all(p.poll() is None for p in processes), [
            p.communicate()[1][-2000:] for p in processes if p.poll() is not None
        ]
        time.sleep(0.05)


@pytest.mark.slow
def test_mirrored_from_the_command_line_with_a_kill(photographs, tmp_path):
    flags = ["--images=80", "--checkpoint_every=8", "--strategy=mirrored", "--devices=cpu*2"]
    validated = [f"--val_clean={photographs}", "--val_images=1"]
    assert train(tmp_path / "whole", photographs, *flags, *validated).wait(300) == 0
    process = train(tmp_path / "run", photographs, *flags, *validated)
    wait_for(lambda: newest(tmp_path / "run") >= 24, [process])
    process.kill()
    process.communicate()
    assert train(tmp_path / "run", photographs, *flags, *validated).wait(300) == 0
    for a, b in zip(
        *(ssdn_keras.load(tmp_path / n / "final.keras").get_weights() for n in ("whole", "run")), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # how sums are split between threads may vary
    one = train(tmp_path / "one", photographs, "--images=80", *validated)
    assert one.wait(300) == 0
    rows = [(tmp_path / n / "metrics.csv").read_text().splitlines()[1:] for n in ("whole", "one")]
    for a, b in zip(*rows, strict=True):
        a, b = ([float(v or 0) for v in row.split(",")] for row in (a, b))
        np.testing.assert_allclose([*a[:1], *a[2:]], [*b[:1], *b[2:]], rtol=2e-2)  # from fresh weights: rounding grows


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_is_killed(photographs, tmp_path, victim):
    """The other ends with a clear message within a minute; started again, both go on where they were."""
    flags = ["--images=4000", "--checkpoint_every=8", "--strategy=multiworker"]
    workers = [train(tmp_path / "run", photographs, *flags, env=env) for env in cluster(2)]
    wait_for(lambda: newest(tmp_path / "run") >= 16, workers)
    workers[victim].kill()
    began = time.monotonic()
    _, err = workers[1 - victim].communicate(timeout=120)
    assert time.monotonic() - began < 60
    assert workers[1 - victim].returncode == 1, err[-2000:]
    lines = [
        line for line in err.splitlines() if "another worker ended or cannot be reached; start all of them" in line
    ]
    assert len(lines) == 1 and "Traceback" not in err
    workers[victim].communicate()
    before = newest(tmp_path / "run")
    again = [train(tmp_path / "run", photographs, *flags, env=env) for env in cluster(2)]
    wait_for(lambda: newest(tmp_path / "run") >= before + 16, again)
    again[0].send_signal(signal.SIGTERM)  # a stop that one of them is asked for ends both
    outcomes = [(p.communicate(timeout=120)[1], p.returncode) for p in again]
    assert [code for _, code in outcomes] == [143, 143], outcomes
    starts = json.loads((tmp_path / "run" / "run.json").read_text())["starts"]
    assert [s["step"] for s in starts] == [0, before // 4]


@pytest.mark.slow
def test_workers_that_differ_are_told(photographs, tmp_path):
    environments = cluster(2)
    flags = ["--images=80", "--strategy=multiworker"]
    workers = [
        train(tmp_path / "run", photographs, *flags, f"--seed={seed}", env=env)
        for seed, env in zip((0, 1), environments, strict=True)
    ]
    for process in workers:
        _, err = process.communicate(timeout=200)
        assert process.returncode == 1 and "differ in settings" in err, err[-2000:]
