"""The comparison with the authors' program: here a stand-in with its modules and calls, written for this."""

import csv
import json
import os
import signal

import keras
import numpy as np
import pytest
from command_line import fails, run
from PIL import Image
from stand_in import PROGRAM, make_checkout
from test_convert import state_of, write_pickle

import ssdn_keras
from ssdn_keras.comparison import output, steps, summary
from ssdn_keras.comparison.port import Port
from ssdn_keras.interop.measured import Measured
from ssdn_keras.interop.original_program import OriginalProgram

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the comparison needs TensorFlow")
KNOWN = "gauss25-blindspot-sigma_known"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("stand_in") / "checkout")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    from conftest import smooth_image

    folder = tmp_path_factory.mktemp("images")
    for seed, size in enumerate([(40, 64), (33, 32)]):
        Image.fromarray(smooth_image(seed, *(side + 16 for side in size))[: size[0], : size[1]]).save(
            folder / f"{seed}.png"
        )
    return folder


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_images_and_steps_of_several_experiments(checkout, images, tmp_path, capfd):
    before = contents(checkout)
    names = ["gauss25-blindspot_diag-sigma_global", "gauss25-n2n", "gauss25-blindspot-sigma_known-mono"]
    flags = [f"--original={checkout}", f"--images={images}", f"--experiment={','.join(names)}", "--train_steps=2",
             "--crop=32", "--minibatch=1", "--limit=1", f"--output={tmp_path / 'out'}"]  # fmt: skip
    code, printed, err = run(capfd, "compare", *flags)
    assert code == 0 and "farther apart" not in err, err
    assert all(f"| {name} " in printed for name in names) and "posterior mean" in printed
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [line["experiment"] for line in record["images"]] == names and record["farther_apart"] == []
    for line in record["images"]:
        assert line["mean"] < 1e-5 and line["denoised"] < 1e-5 and line["loss_relative"] < 1e-5
        assert abs(line["psnr_ours"] - line["psnr_theirs"]) < 1e-3
        assert line["seconds_ours"] > 0 and line["seconds_theirs"] > 0 and line["memory_theirs"] > 50
    assert "network_std" in record["images"][0] and "network_std" not in record["images"][1]
    assert record["images"][0]["noise_std"] < 1e-7
    for line in record["training"]:
        assert line["gradient"] < 1e-3 and line["step_loss"] < 1e-3 and 0 < line["twin_weight_difference"] < 2.5e-3
        assert 0 < line["weight_difference"] < 2.5e-3
    rows = rows_of(tmp_path / "out" / "images.csv")
    assert [row["experiment"] for row in rows] == names and rows[1]["network_std_max"] == ""
    assert len(rows_of(tmp_path / "out" / "steps.csv")) == 6
    gradients = rows_of(tmp_path / "out" / "gradients.csv")
    assert {"noise_data", "enc_conv0/W"} <= {row["variable"] for row in gradients}
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("<figcaption>") == 15 and page.count("<svg") == 3 and "Within the goals" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ), "the page needs no network"
    assert contents(checkout) == before, "the checkout is only read"


def test_what_lies_apart_is_said(images, tmp_path, capfd):
    wrong = make_checkout(tmp_path / "wrong", PROGRAM.replace("WRONG = 0.0", "WRONG = 1e-4"))
    code, _, err = run(
        capfd, "compare", f"--original={wrong}", f"--images={images}", f"--experiment={KNOWN}", "--limit=1",
        f"--output={tmp_path / 'out'}",
    )  # fmt: skip
    assert code == 0 and f"{KNOWN}: posterior mean differs by" in err
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert record["farther_apart"] and record["images"][0]["noise_std"] == pytest.approx(1e-4, rel=1e-3)
    assert "Farther apart than the goals" in (tmp_path / "out" / "index.html").read_text()


def test_networks_of_both_programs(checkout, images, tmp_path, capfd):
    keras.utils.set_random_seed(3)
    flags = [f"--original={checkout}", f"--images={images}", "--limit=1", f"--output={tmp_path / 'out'}"]
    model = ssdn_keras.Denoiser("gauss25", noise_parameter="per_image", channels=1)
    model.save(tmp_path / "own.keras")
    fails(capfd, 1, "may be of none of the published ones", "compare", *flags, f"--network={tmp_path / 'own.keras'}",
          f"--experiment={KNOWN}")  # fmt: skip
    model = ssdn_keras.Denoiser("gauss5_50", channels=1)
    model.save(tmp_path / "own.keras")
    code, printed, err = run(capfd, "compare", *flags, f"--network={tmp_path / 'own.keras'}")
    assert code == 0 and "gauss5_50-blindspot-sigma_known-mono" in printed and "farther" not in err, err
    pickled = write_pickle(tmp_path / "a.pickle", state_of(model))
    fails(capfd, 1, "gauss25-blindspot-sigma_known-mono or gauss5_50", "compare", *flags, f"--network={pickled}")
    fails(capfd, 1, f"is no network of {KNOWN}; it may be of gauss25", "compare", *flags, f"--network={pickled}",
          f"--experiment={KNOWN}")  # fmt: skip
    named = write_pickle(tmp_path / "network-final-gauss5_50-blindspot-sigma_known-mono.pickle", state_of(model))
    again = run(capfd, "compare", *flags, f"--network={named}")[1]
    figures = [line.split("|")[2:5] for line in (printed + again).splitlines() if line.startswith("| gauss5_50")]
    assert len(figures) == 2 and figures[0] == figures[1]
    named.write_bytes(named.read_bytes()[:5000])
    fails(capfd, 1, "network-final-gauss5_50", "compare", *flags, f"--network={named}")


@pytest.mark.slow
def test_a_long_training_goes_on_where_it_was(checkout, images, tmp_path, capfd, monkeypatch):
    flags = [f"--original={checkout}", f"--images={images}", "--experiment=gauss25-blindspot-sigma_global",
             "--train_images=6", "--validate_every=2", "--crop=32", "--minibatch=1", "--limit=1"]  # fmt: skip
    out, whole = tmp_path / "out", tmp_path / "whole"
    with monkeypatch.context() as context:
        train_on, calls = Port.train_on, []

        def interrupts(self, *arguments, **batch):
            calls.append(1)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return train_on(self, *arguments, **batch)

        context.setattr(Port, "train_on", interrupts)
        code, _, err = run(capfd, "compare", *flags, f"--output={out}")
        assert code == 130 and "start again" in err
    folder = out / "training" / "gauss25-blindspot-sigma_global"
    assert json.loads((folder / "state.json").read_text())["step"] == 3
    fails(capfd, 1, "another seed", "compare", *flags, f"--output={out}", "--seed=1")
    assert run(capfd, "compare", *flags, f"--output={out}")[0] == 0
    assert run(capfd, "compare", *flags, f"--output={whole}")[0] == 0
    interrupted, uninterrupted = (
        rows_of(path / "training" / "gauss25-blindspot-sigma_global" / "curve.csv") for path in (out, whole)
    )
    assert [row["images"] for row in interrupted] == ["2", "4", "6"]
    for key in ("val_psnr_ours", "val_psnr_theirs", "weight_difference"):
        assert [row[key] for row in interrupted] == [row[key] for row in uninterrupted]
    assert float(interrupted[-1]["weight_difference"]) < 2e-3
    assert {path.name.split(".")[0] for path in folder.iterdir()} == {
        "ours-6",
        "theirs-6",
        "curve",
        "state",
        "checkpoint",
    }
    assert (out / "index.html").read_text().count("<svg") == 1


def test_command_lines_that_cannot_be(checkout, images, tmp_path, capfd, monkeypatch):
    original, pictures = f"--original={checkout}", f"--images={images}"
    out = f"--output={tmp_path / 'out'}"
    fails(capfd, 2, "give --original", "compare", pictures, f"--experiment={KNOWN}")
    fails(capfd, 2, "give --images", "compare", original, f"--experiment={KNOWN}")
    fails(capfd, 2, "give --network or --experiment", "compare", original, pictures)
    fails(capfd, 2, "did you mean gauss25-n2c", "compare", original, pictures, "--experiment=gaus25-n2c")
    fails(capfd, 2, "multiple of 32", "compare", original, pictures, f"--experiment={KNOWN}", "--crop=48")
    fails(capfd, 1, "no selfsupervised_denoising.py there", "compare", f"--original={images}", pictures,
          f"--experiment={KNOWN}")  # fmt: skip
    fails(capfd, 1, "nowhere.pickle", "compare", original, pictures, "--network=nowhere.pickle")
    empty = tmp_path / "empty"
    empty.mkdir()
    fails(capfd, 1, str(empty), "compare", original, f"--images={empty}", f"--experiment={KNOWN}", out)
    fails(capfd, 1, "64", "compare", original, pictures, f"--experiment={KNOWN}", "--train_steps=1", "--crop=96", out)
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("__version__ = '3.0.0'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    fails(
        capfd,
        1,
        "TensorFlow 3.0.0 has no API of version 1",
        "compare",
        original,
        pictures,
        f"--experiment={KNOWN}",
        out,
    )


def test_a_checkout_with_another_network_is_refused(images, tmp_path, capfd):
    other = make_checkout(tmp_path / "other", PROGRAM.replace('"nin_a"', '"nin_z"'))
    fails(capfd, 1, "has other variables than the published one (nin_a/W)", "compare", f"--original={other}",
          f"--images={images}", f"--experiment={KNOWN}", f"--output={tmp_path / 'out'}")  # fmt: skip


def test_gradient_rows_tell_what_differs():
    theirs = {"a": np.ones((2, 2)), "b": np.zeros(3)}
    same = steps.compare_gradients(theirs, theirs)
    assert [row["relative"] for row in same] == [0.0, 0.0]
    rows = steps.compare_gradients({"a": np.array([[1, 1], [1, 1.5]]), "b": np.array([0, 0, 2.0])}, theirs)
    assert rows[0]["relative"] == pytest.approx(0.25) and rows[0]["largest_difference"] == 0.5
    assert rows[1]["relative"] == 2.0


def test_summaries_keep_the_worst_image():
    rows = [
        {"mean_max": a, "mean_average": a / 2, "loss_ours": 1.0 + a, "loss_theirs": 1.0, "psnr_ours": 30.0,
         "psnr_theirs": 30.0 + b, "seconds_ours": 1, "seconds_theirs": 2, "memory_ours": 1e6, "memory_theirs": 2e6}
        for a, b in ((1e-6, 0.0), (1e-4, -0.5))
    ]  # fmt: skip
    line = summary.of_images("x", rows)
    assert line["mean"] == 1e-4 and line["loss_relative"] == pytest.approx(1e-4) and line["psnr_difference"] == 0.5
    assert summary.misses(line) == ["x: PSNR (dB) differs by 0.5, more than 0.001"]


def test_amplification_shows_small_differences_without_clipping():
    a = np.zeros((4, 4, 3))
    picture, gain = output.amplified(a + 3e-6, a)
    assert gain == 2e5 and picture.max() == 153
    assert output.amplified(a, a)[0].max() == 0


def test_memory_is_that_of_the_work():
    with Measured() as small:
        pass
    with Measured() as large:
        np.ones(60_000_000 // 8 * 2)
    assert large.memory - small.memory > 100e6 and large.seconds > 0


def test_the_stand_in_answers_with_variables_and_losses(checkout):
    program = OriginalProgram(checkout, "gauss25", "known", 3)
    assert program.parameters == 1_269_129
    noisy = np.random.RandomState(0).random_sample((1, 32, 32, 3)).astype("float32")
    assert program.loss_map(noisy, [0.1]).shape == (1, 32, 32)
    variables = program.variables()
    variables["nin_c/b"] = variables["nin_c/b"] + 1
    program.load_variables(variables)
    np.testing.assert_array_equal(program.variables()["nin_c/b"], variables["nin_c/b"])
    program.close()
