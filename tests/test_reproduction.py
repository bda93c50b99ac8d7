"""The comparison from one command: what it writes, that it goes on where it was, and what can go wrong."""

import csv
import json
import re

import numpy as np
import pytest
from command_line import fails, run

from ssdn_keras.evaluation import metrics
from ssdn_keras.evaluation.picture import data_uri
from ssdn_keras.evaluation.rows_file import RowsFile
from ssdn_keras.reproduction import figures, page, table, timing
from ssdn_keras.reproduction.results import Outcome, largest_fall
from ssdn_keras.reproduction.rows import REPORT_ROWS, ROWS
from ssdn_keras.reproduction.settings import FILE

LENGTH = ["--images=8", "--crop=16", "--minibatch=2", "--validate_every=4", "--val_images=1", "--limit=2"]
THREE = "--rows=nlm,n2v,ssdn_known"


def arguments(photographs, out, *more):
    return [f"--train_clean={photographs}", f"--evaluate=one:{photographs}", f"--out={out}", *LENGTH, *more]


@pytest.fixture
def quick_timing(monkeypatch):
    for name in ("WARM_UP", "ROUNDS", "STEPS"):
        monkeypatch.setattr(timing, name, 1)


def test_one_command_writes_everything_and_started_again_repeats_nothing(
    capfd, tmp_path, photographs, quick_timing, monkeypatch
):
    out = tmp_path / "out"
    code, printed, _ = run(capfd, "reproduce", *arguments(photographs, out, THREE))
    assert code == 0 and (out / "table.md").read_text() in printed

    with open(out / "table.csv", newline="") as file:
        lines = {line["method"]: line for line in csv.DictReader(file)}
    assert list(lines) == ["Non-local means", "N2V", "SSDN, known"]
    for name, line in lines.items():
        rows = [json.loads(text) for text in (
            out / "rows" / {"Non-local means": "nlm", "N2V": "n2v", "SSDN, known": "ssdn_known"}[name]
            / "evaluation" / "one.jsonl").read_text().splitlines()[1:]]  # fmt: skip
        assert len(rows) == 2
        assert float(line["one dB"]) == pytest.approx(np.mean([row["psnr_denoised"] for row in rows]), abs=0.006)
        assert float(line["one SSIM"]) == pytest.approx(np.mean([row["ssim_denoised"] for row in rows]), abs=0.0006)
    assert lines["N2V"]["images seen"] == "8" and lines["N2V"]["parameters"] == "1102371"
    assert lines["SSDN, known"]["parameters"] == "1269129" and lines["Non-local means"]["parameters"] == ""
    times = json.loads((out / "timing.json").read_text())["seconds_per_image"]
    assert float(lines["SSDN, known"]["× N2V"]) == pytest.approx(times["ssdn_known"] / times["n2v"], abs=0.06)
    assert "--nofreeze_noise" in (out / "table.md").read_text()
    for name in ("curves_images.png", "curves_seconds.png", "crops.png", "index.html"):
        assert (out / name).stat().st_size > 5000

    html = (out / "index.html").read_text()
    entries = re.findall(r'<script type="application/json" class="entry">(.*?)</script>', html, re.S)
    assert [json.loads(entry)["name"] for entry in entries] == ["a.png", "b.png"]
    assert set(json.loads(entries[0])["methods"]) == {"clean", "noisy", "nlm", "n2v", "ssdn_known"}
    assert "std" in json.loads(entries[0])["methods"]["ssdn_known"]
    outside = re.findall(r'(?:src|href)\s*=\s*"(?!data:|#)([^"]*)"', re.sub(r"<svg.*?</svg>", "", html, flags=re.S))
    assert not outside, "the page must need no network"

    kept = {path: path.stat().st_mtime_ns for path in (out / "rows").rglob("*") if path.is_file()}
    before = (out / "table.md").read_text()
    monkeypatch.setattr("ssdn_keras.reproduction.methods.train", None)
    monkeypatch.setattr("ssdn_keras.evaluation.run._one", None)
    monkeypatch.setattr(timing, "seconds_per_image", None)
    code, _, _ = run(capfd, "reproduce", *arguments(photographs, out, THREE))
    assert code == 0 and (out / "table.md").read_text() == before
    assert kept == {path: path.stat().st_mtime_ns for path in (out / "rows").rglob("*") if path.is_file()}

    fails(capfd, 1, "--images was 8, is 9", "reproduce", *arguments(photographs, out, THREE, "--images=9"))
    fails(capfd, 1, "--freeze_noise was False, is True", "reproduce",
          *arguments(photographs, out, THREE, "--freeze_noise"))  # fmt: skip
    fails(capfd, 1, "--optimizer was adam, is muon", "reproduce",
          *arguments(photographs, out, THREE, "--optimizer=muon"))  # fmt: skip
    assert (out / "table.md").read_text() == before

    definition = json.loads((out / FILE).read_text())
    (out / FILE).write_text(json.dumps({name: definition[name] for name in definition if name != "optimizer"}))
    assert run(capfd, "reproduce", *arguments(photographs, out, THREE))[0] == 0  # an older version knew Adam alone


def test_all_rows_have_the_same_optimiser_rate_and_width(capfd, tmp_path, photographs, quick_timing):
    flags = ["--rows=n2v,ssdn_known", "--optimizer=muon", "--filters=4"]
    code, printed, err = run(capfd, "reproduce", *arguments(photographs, tmp_path / "out", *flags))
    assert code == 0 and "4 filters, muon, rate 0.001" in printed, err
    for row in ("n2v", "ssdn_known"):
        lines = (tmp_path / "out" / "rows" / row / "flags.cfg").read_text().splitlines()
        assert {"--optimizer=muon", "--learning_rate=0.001", "--filters=4"} <= set(lines)


@pytest.mark.slow
def test_a_full_disk_loses_at_most_the_last_interval(capfd, tmp_path, photographs, quick_timing, monkeypatch):
    from ssdn_keras.training import checkpoint

    out, arguments_ = tmp_path / "out", arguments(photographs, tmp_path / "out", "--rows=n2v")
    write, calls = checkpoint.write_atomically, []

    def full(path, function):
        calls.append(path)
        if len(calls) == 2:  # the last one: it must not be missing
            raise OSError(28, "No space left on device", str(path))
        write(path, function)

    with monkeypatch.context() as context:
        context.setattr(checkpoint, "write_atomically", full)
        fails(capfd, 1, "No space left on device", "reproduce", *arguments_)
    folder = out / "rows" / "n2v"
    assert not (folder / "final.keras").exists() and not (out / "table.md").exists()
    assert [path.name for path in (folder / "checkpoints").glob("0*")] == ["000000004.npz"]
    assert not list(folder.rglob(".writing*")), "nothing half-written is left"
    code, _, _ = run(capfd, "reproduce", *arguments_)
    assert code == 0 and (out / "table.md").exists()
    with open(folder / "metrics.csv", newline="") as file:
        assert [row["images"] for row in csv.DictReader(file)] == ["4", "8"]


@pytest.mark.slow
def test_an_interrupted_row_goes_on(capfd, tmp_path, photographs, quick_timing, monkeypatch):
    import os
    import signal

    from ssdn_keras.training.records import Records

    original = Records.on_train_batch_end

    def interrupts(self, batch, logs=None):
        if self.position.step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, batch, logs)

    rows = "--rows=n2c,nlm"
    with monkeypatch.context() as context:
        context.setattr(Records, "on_train_batch_end", interrupts)
        code, _, err = run(capfd, "reproduce", *arguments(photographs, tmp_path / "out", rows))
    assert code == 130 and "interrupted while training n2c: start again with --out=" in err
    code, out, _ = run(capfd, "reproduce", *arguments(photographs, tmp_path / "out", rows))
    assert code == 0 and "N2C" in out


def test_usage_errors(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["--train_clean=x", "--evaluate=a:x", "--out=out"]
    for extra, message in (
        (["--rows=n2x"], "did you mean n2v"), (["--rows=n2c,n2c"], "each method once"),
        (["--evaluate=a:x,a:y"], "two sets have the same name"), (["--evaluate=kodac:x"], "did you mean kodak"),
        (["--noise=gauss"], "give a level"), (["--noise=gaus25"], "did you mean gauss25"),
        (["--channels=2"], "--channels"),
    ):  # fmt: skip
        fails(capfd, 2, message, "reproduce", *given, *extra)
    for missing in given:
        fails(capfd, 2, missing.split("=")[0], "reproduce", *(flag for flag in given if flag != missing))
    assert not list(tmp_path.iterdir())


def test_data_errors_come_before_anything_is_written(capfd, tmp_path, photographs, monkeypatch):
    out, empty, text = tmp_path / "out", tmp_path / "empty", tmp_path / "text"
    empty.mkdir()
    text.mkdir()
    (text / "a.png").write_text("nothing")
    train, evaluate = f"--train_clean={photographs}", f"--evaluate=a:{photographs}"
    for flags, message in (
        ([train, f"--evaluate=a:{empty}"], "no PNG, JPEG"), ([train, f"--evaluate=a:{text}"], "no readable image"),
        ([train, f"--evaluate=a:{tmp_path / 'absent'}"], "no such folder"),
        ([f"--train_clean={tmp_path / 'absent'}", evaluate], "no such file or folder"),
        ([train, evaluate, f"--val_clean={empty}"], "no PNG, JPEG"),
        ([train, evaluate, f"--val_clean={text}"], "no readable image to validate"),
        ([train, evaluate, "--picture=a/x.png"], "SET/FILE, such as a/a.png"),
        ([train, evaluate, "--rows=nlm", "--noise=impulse50"], "not for impulse"),
    ):  # fmt: skip
        fails(capfd, 1, message, "reproduce", *flags, f"--out={out}", "--crop=32", "--rows=n2c", *flags[2:])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    fails(capfd, 1, "ssdn_keras[cbm3d]", "reproduce", train, evaluate, f"--out={out}", "--crop=32")
    assert not out.exists()


def test_a_file_in_place_of_the_folder_is_refused(capfd, tmp_path, photographs):
    (tmp_path / "out").write_text("mine")
    fails(capfd, 2, "not a folder", "reproduce", *arguments(photographs, tmp_path / "out", "--rows=nlm"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "reproduction.json").write_text("[1")
    fails(capfd, 1, "damaged", "reproduce", *arguments(photographs, tmp_path / "other", "--rows=nlm"))


def outcome(name, **values):
    made = Outcome(ROWS[name], **values)
    made.averages = {"kodak": {"psnr_denoised": 30.123, "ssim_denoised": 0.8}}
    return made


def test_published_figures_stand_beside_those_of_their_noise_only():
    outcomes = [outcome(name, seconds_per_image=0.5 if name == "n2v" else 2.0, images_seen=9) for name in REPORT_ROWS]
    header, lines = table.cells(outcomes, ["kodak"], "gauss25")
    found = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    assert found["SSDN, known"]["report kodak dB"] == "32.12" and found["SSDN, known"]["paper kodak dB"] == "32.45"
    assert found["CBM3D"]["paper kodak dB"] == "31.81" and found["CBM3D"]["report kodak dB"] == "–"
    assert found["N2V"]["× N2V"] == "1.0" and found["N2C"]["× N2V"] == "4.0"
    assert found["N2V"]["kodak dB"] == "30.12"
    for other in (("gauss15", 3), ("gauss25", 1)):
        header, _ = table.cells(outcomes, ["kodak"], *other)
        assert not [name for name in header if name.startswith(("report", "paper"))]


def test_the_largest_fall_of_a_curve():
    curve = [{"images": i, "val_psnr": value} for i, value in enumerate([20, 25, 24.5, 26, 25.2, 26.1])]
    assert largest_fall(curve) == (pytest.approx(0.8), 4)
    assert largest_fall(curve[:2]) == (0.0, None)


def test_an_evaluation_that_was_cut_off_keeps_its_rows(tmp_path):
    path, subject = tmp_path / "x.jsonl", {"denoiser": "a"}
    file = RowsFile(path, subject)
    for index in range(3):
        file.add({"image": f"{index}.png", "repeat": 0, "psnr": 30.0 + index})
    path.write_text(path.read_text()[:-12])
    again = RowsFile(path, subject)
    assert again.get("1.png", 0)["psnr"] == 31.0 and again.get("2.png", 0) is None
    assert RowsFile(path, {"denoiser": "b"}).get("1.png", 0) is None


def test_the_page_is_lossless_until_it_would_become_too_large():
    picture = np.random.RandomState(0).randint(0, 255, (64, 64, 3), dtype=np.uint8)
    chosen = [page.choose_encoding({"a": [[picture]]}, {"a": 64 * 64 * 100}, size) for size in (10, 1.5, 0.0001)]
    assert chosen[0] == 0 and 0 < chosen[1] < chosen[2] == len(page._ENCODINGS) - 1


def test_pictures_in_the_page_are_exact_if_lossless():
    import base64
    import io

    from PIL import Image

    for channels in (1, 3):
        picture = np.random.RandomState(0).randint(0, 255, (20, 30, channels), dtype=np.uint8)
        data = data_uri(picture, *page._ENCODINGS[0][:2]).split(",")[1]
        back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB" if channels == 3 else "L"))
        np.testing.assert_array_equal(back.reshape(picture.shape), picture)


@pytest.mark.parametrize("encoding", page._ENCODINGS)
def test_every_encoding_takes_a_large_noisy_picture(encoding):
    picture = np.random.RandomState(0).randint(0, 256, (512, 768, 3), dtype=np.uint8)
    assert data_uri(picture, *encoding[:2]).startswith("data:image/")


def test_data_in_the_page_are_what_they_were():
    value = {
        "picture": "data:;base64,AAANaNInfinityNaN",
        "name": "</script><b>",
        "ssim": float("nan"),
        "psnr": [float("inf")],
    }
    text = page.script_text(value)
    assert "<" not in text
    assert json.loads(text) == {**value, "ssim": None, "psnr": [None]}


def test_other_images_under_the_same_names_are_evaluated_anew(tmp_path, photographs):
    from ssdn_keras.evaluation.protocol import TestSet
    from ssdn_keras.reproduction.run import digest

    before = digest(TestSet("a", photographs, 1))
    assert digest(TestSet("b", photographs, 3)) == before
    content = (photographs / "a.png").read_bytes()
    (photographs / "a.png").write_bytes((photographs / "b.png").read_bytes())
    assert digest(TestSet("a", photographs, 1)) != before
    (photographs / "a.png").write_bytes(content)
    (photographs / "0.png").write_bytes(content)
    assert digest(TestSet("a", photographs, 1)) != before


def test_the_crop_with_detail_is_found():
    clean = np.zeros((200, 300, 3), np.uint8)
    clean[60:120, 180:260] = np.random.RandomState(0).randint(0, 255, (60, 80, 3))
    rows, columns = figures.detailed_crop(clean, 64)
    assert rows.start <= 90 < rows.stop and columns.start <= 220 < columns.stop
    figure = figures.crops(clean, [("Noisy", clean // 2)], "x")
    assert f"{metrics.psnr(clean[figures.detailed_crop(clean)], clean[figures.detailed_crop(clean)] // 2):.2f} dB" in [
        text.get_text().split("\n")[-1] for axes in figure.axes for text in axes.texts
    ]
