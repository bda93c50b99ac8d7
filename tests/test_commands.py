"""The commands as a user meets them: results, and one clear line for everything that can go wrong."""

import importlib
import json
import os
import stat

import h5py
import numpy as np
import pytest
from command_line import fails, run
from conftest import smooth_image
from PIL import Image

import ssdn_keras


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "x.keras"
    ssdn_keras.Denoiser(noise="gauss25").save(path)
    return path


TRAIN_SHORT = ("--images=4", "--crop=32", "--minibatch=2")


COMMANDS = ["train", "evaluate", "denoise", "prepare", "demo", "benchmark", "reproduce", "convert", "export", "compare"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_flag_in_a_group(capfd, command):
    code, out, _ = run(capfd, command, "--help")
    flags = importlib.import_module(f"ssdn_keras.{command}").COMMAND
    grouped = [name for names in flags.groups.values() for name in names]
    assert code == 0 and sorted(grouped) == sorted(set(flags.flags) - {"flagfile", "undefok"})
    for name in grouped:
        assert f"--{name}\n" in out or f"--[no]{name}\n" in out
        assert len(flags.flags[name].help) > 12


@pytest.mark.parametrize("arguments,message", [
    (["--nose=gauss25"], "did you mean --noise?"),
    (["--noise_parameter=knwon"], "did you mean known"),
    (["--algorithm=sdn"], "did you mean ssdn"),
    (["--images=many"], "images"),
    (["--images=0"], "images"),
    (["--learning_rate=nan"], "finite"),
    (["--ema=1"], "ema"),
    (["--channels=0"], "channels"),
    (["--train_clean=x", "--run_dir=r", "--value_range=9,3"], "the lower one first"),
    (["--seed=9999999999"], "seed"),
    (["--flagfile=absent.cfg"], "absent.cfg"),
    (["gauss25"], "unexpected argument"),
    ([], "--train_clean"),
    (["--train_clean=x", "--train_noisy=y", "--run_dir=r"], "not both"),
    (["--train_clean=x", "--strategy=multiworker"], "--run_dir, a folder that all workers see"),
    (["--train_clean=x", "--run_dir=r", "--strategy=mirored"], "did you mean mirrored"),
    (["--train_clean=x", "--run_dir=r", "--noise=gauss-5"], "positive number"),
    (["--train_clean=x", "--run_dir=r", "--noise=gauss50_5"], "gauss5_50"),
    (["--train_clean=x", "--run_dir=r", "--noise=gauss0"], "0 is no noise; give a level above 0, such as gauss25"),
    (["--train_noisy=x", "--run_dir=r", "--noise=gauss0_0-clipped"], "a level above 0, such as gauss25-clipped"),
    (["--train_noisy=x", "--run_dir=r", "--noise=impulse0", "--noise_parameter=global"], "0 is no noise"),
    (["--train_clean=x", "--run_dir=r", "--noise=impulse150"], "from 0 to 100"),
    (["--train_clean=x", "--run_dir=r", "--noise=gaus25"], "did you mean gauss25"),
    (["--train_clean=x", "--run_dir=r", "--noise=gauss"], "give a level"),
    (["--train_clean=x", "--run_dir=r", "--blindspot_size=2"], "odd"),
    (["--train_noisy=x", "--run_dir=r", "--noise=gauss5_50"], "per_image"),
    (["--train_noisy=x", "--run_dir=r", "--freeze_noise"], "nothing is added"),
    (["--train_noisy=x", "--run_dir=r", "--algorithm=n2c"], "needs --train_clean"),
    (["--train_clean=x", "--run_dir=r", "--n2v_neighbourhood=4"], "odd"),
    (["--train_clean=x", "--run_dir=r", "--n2v_percentage=0"], "n2v_percentage"),
    (["--train_clean=x", "--run_dir=r", "--n2v_percentage=60"], "n2v_percentage"),
    (["--n2v_box=1"], "n2v_box"),
    (["--train_clean=x", "--run_dir=r", "--algorithm=n2v", "--crop=32", "--n2v_neighbourhood=33"], "fit into a crop"),
])  # fmt: skip
def test_usage_errors_of_train(capfd, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    fails(capfd, 2, message, "train", *arguments)
    assert not list(tmp_path.iterdir())


def test_data_errors_of_train(capfd, tmp_path, photographs):
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.mkdir()
    text.mkdir()
    (text / "a.png").write_text("nothing")
    (tmp_path / "x.h5").write_bytes(b"nothing")
    run_dir = tmp_path / "run"
    cases = [
        (tmp_path / "absent", "no such file or folder"), (empty, "no PNG, JPEG, WebP, BMP or TIFF file"),
        (text, "no usable image, 1 skipped"),
        (tmp_path / "x.h5", "not a readable HDF5"), (text / "a.png", "a folder of images, an HDF5 file"),
    ]  # fmt: skip
    for folder, message in cases:
        fails(capfd, 1, message, "train", f"--train_clean={folder}", f"--run_dir={run_dir}", *TRAIN_SHORT)
    fails(capfd, 1, "smaller than the crop of 256", "train", f"--train_clean={photographs}", f"--run_dir={run_dir}")
    fails(capfd, 2, "not a folder", "train", f"--train_clean={photographs}", f"--run_dir={tmp_path / 'x.h5'}")
    fails(capfd, 1, "no such model", "train", f"--train_clean={photographs}", f"--run_dir={run_dir}",
          f"--init={tmp_path / 'absent.keras'}", *TRAIN_SHORT)  # fmt: skip
    fails(capfd, 1, "no such folder", "train", f"--train_clean={photographs}", f"--run_dir={run_dir}",
          f"--val_clean={tmp_path / 'absent'}", *TRAIN_SHORT)  # fmt: skip
    assert [path.name for path in run_dir.iterdir()] == [".lock"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_cannot_be_written(capfd, tmp_path, photographs, model_file):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    fails(capfd, 1, "locked", "train", f"--train_clean={photographs}", f"--run_dir={locked}", *TRAIN_SHORT)
    fails(capfd, 1, "locked", "denoise", f"--model={model_file}", f"--output={locked / 'x'}", photographs)


def test_an_output_folder_that_is_below_a_file(capfd, tmp_path, photographs, model_file):
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "x"
    fails(capfd, 1, "file/x", "train", f"--train_clean={photographs}", f"--run_dir={below}", *TRAIN_SHORT)
    fails(capfd, 1, "file/x", "denoise", f"--model={model_file}", f"--output={below}", photographs)


def test_train_evaluate_denoise(capfd, tmp_path, photographs):
    run_dir = tmp_path / "run"
    (photographs / "cut.png").write_bytes((photographs / "a.png").read_bytes()[:400])
    code, out, err = run(capfd, "train", f"--train_clean={photographs}", f"--run_dir={run_dir}", *TRAIN_SHORT)
    assert code == 0 and "final.keras" in out and "cut.png" in err
    code, _, _ = run(capfd, "train", f"--flagfile={run_dir / 'flags.cfg'}", f"--run_dir={tmp_path / 'again'}")
    first, second = (ssdn_keras.load(folder / "final.keras") for folder in (run_dir, tmp_path / "again"))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    fails(capfd, 1, "--crop was 32, is 40", "train", f"--train_clean={photographs}", f"--run_dir={run_dir}",
          "--images=4", "--crop=40", "--minibatch=2")  # fmt: skip

    results = tmp_path / "results"
    code, out, _ = run(capfd, "evaluate", f"--model={run_dir / 'final.keras'}", f"--data=mine:{photographs}",
                       "--repeats=2", "--limit=2", f"--output={results}", "--save_images")  # fmt: skip
    assert code == 0 and "mine" in out and "2×2" in out
    record = json.loads((results / "results.json").read_text())
    assert record["noise"] == "gauss25" and len(record["rows"]) == 4
    mean = np.mean([row["psnr_denoised"] for row in record["rows"]])
    assert record["sets"]["mine"]["psnr_denoised"] == pytest.approx(mean)
    assert record["rows"][0]["psnr_noisy"] == pytest.approx(20.2, abs=0.5)
    assert len((results / "per_image.csv").read_text().splitlines()) == 5
    assert {path.name for path in (results / "images" / "mine").iterdir()} == {
        f"{stem}-png-{kind}.png" for stem in "ab" for kind in ("clean", "noisy", "mean", "denoised")
    }


@pytest.mark.parametrize("arguments,code,message", [
    ([], 2, "--model"),
    (["--model={model}"], 2, "--data"),
    (["--model={model}", "--data={folder}/absent"], 1, "no such folder"),
    (["--model={folder}/a.png", "--data={folder}"], 1, "not a .keras model file"),
    (["--model={model}", "--data={folder}", "--noise=poisson30"], 2, "made for gauss"),
    (["--model={model}", "--data={folder}", "--noise=gauss9_1"], 2, "wrong way round"),
    (["--model={model}", "--data=,"], 2, "names no test set"),
    (["--model={model}", "--data=kodac:{folder}"], 2, "did you mean kodak"),
    (["--model={model}", "--data=a:{folder},a:{folder}"], 2, "same name"),
])  # fmt: skip
def test_errors_of_evaluate(capfd, photographs, model_file, arguments, code, message):
    arguments = [text.format(model=model_file, folder=photographs) for text in arguments]
    fails(capfd, code, message, "evaluate", *arguments)


def test_denoise_keeps_names_formats_and_what_belongs_to_a_file(capfd, tmp_path, model_file):
    source, output = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    colour = Image.fromarray(smooth_image(0, 30, 41))
    colour.save(source / "deep" / "c.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", dpi=(300, 300))
    with_alpha = colour.copy()
    with_alpha.putalpha(Image.fromarray(smooth_image(1, 30, 41, channels=1)))
    with_alpha.save(source / "a.png")
    colour.convert("L").save(source / "g.PNG")
    colour.quantize(64).save(source / "p.png")
    code, out, _ = run(capfd, "denoise", f"--model={model_file}", f"--output={output}", source)
    assert code == 0 and "4 of 4" in out
    names = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    assert names == {"a.png", "g.PNG", "p.png", "deep/c.jpg"}
    alpha, grey, jpeg = (Image.open(output / name) for name in ("a.png", "g.PNG", "deep/c.jpg"))
    assert alpha.mode == "RGBA" and grey.mode == "L" and (jpeg.format, jpeg.size) == ("JPEG", (41, 30))
    np.testing.assert_array_equal(alpha.getchannel("A"), with_alpha.getchannel("A"))
    assert jpeg.info["dpi"] == (300, 300)
    expected = ssdn_keras.load(model_file).denoise(np.asarray(colour))
    np.testing.assert_array_equal(np.asarray(alpha)[..., :3], expected)

    before = (output / "a.png").read_bytes()
    fails(capfd, 2, "--overwrite", "denoise", f"--model={model_file}", f"--output={output}", source)
    assert (output / "a.png").read_bytes() == before
    code, _, _ = run(capfd, "denoise", f"--model={model_file}", f"--output={output}", "--overwrite", source)
    assert code == 0


def test_denoise_goes_on_after_a_bad_file_and_says_so(capfd, tmp_path, photographs, model_file):
    (photographs / "bad.png").write_bytes((photographs / "a.png").read_bytes()[:300])
    output = tmp_path / "out"
    code, out, err = run(capfd, "denoise", f"--model={model_file}", f"--output={output}", photographs)
    assert code == 1 and "4 of 5" in out and "bad.png" in err
    assert not (output / "bad.png").exists() and not list(output.glob(".*"))


@pytest.mark.parametrize("arguments,code,message", [
    ([], 2, "files or folders"),
    (["--model={model}", "--algorithm=nlm", "{folder}"], 2, "--model or --algorithm, not both"),
    (["--model={model}", "--output={out}"], 2, "files or folders"),
    (["--model={model}", "--output={out}", "{folder}/absent.png"], 1, "no such file or folder"),
    (["--model={model}", "--output={folder}", "{folder}/a.png"], 1, "overwritten by its own result"),
    (["--model={model}", "--output={out}", "--noise_level=-1", "{folder}"], 2, "noise_level"),
    (["--model={model}", "--output={out}", "--noise_level=999", "{folder}/a.png"], 2, "noise_level must be"),
    (["--model={model}", "--output={out}", "--noise_level=2+5", "{folder}/a.png"], 2,
     "noise_level of gauss noise is one number, σ in grey levels (0..255), not 2+5"),
    (["--algorithm=nlm", "--output={out}", "--noise_level=2+5", "{folder}/a.png"], 2, "is one number, σ in"),
    (["--output={out}", "--noise_level=2+5+1", "{folder}"], 2,
     "flag --noise_level=2+5+1: expected a number, or two as in 2+5"),
    (["--output={out}", "--noise_level=much", "{folder}"], 2, "expected a number, or two as in 2+5"),
    (["--output={out}", "--noise_level=1.2.3+5", "{folder}"], 2, "expected a number, or two as in 2+5"),
    (["--output={out}", "--noise_level=inf", "{folder}"], 2, "must be a finite number"),
    (["--model={folder}/a.png", "--output={out}", "{folder}"], 1, "not a .keras model file"),
])  # fmt: skip
def test_errors_of_denoise(capfd, tmp_path, photographs, model_file, arguments, code, message):
    values = {"model": model_file, "folder": photographs, "out": tmp_path / "out"}
    fails(capfd, code, message, "denoise", *[text.format(**values) for text in arguments])
    assert not list((tmp_path / "out").glob("*"))


def test_prepare(capfd, tmp_path, photographs):
    (photographs / "bad.png").write_text("nothing")
    target = tmp_path / "x.h5"
    code, out, err = run(capfd, "prepare", f"--input={photographs}", f"--output={target}")
    assert code == 0 and "4 images, 1 skipped" in out and "bad.png" in err
    fails(capfd, 2, "--overwrite", "prepare", f"--input={photographs}", f"--output={target}")
    fails(capfd, 2, ".h5", "prepare", f"--input={photographs}", f"--output={tmp_path / 'x.npz'}")
    fails(capfd, 1, "no usable image", "prepare", f"--input={photographs}", f"--output={tmp_path / 'y.h5'}",
          "--smallest=500")  # fmt: skip
    assert not (tmp_path / "y.h5").exists() and not list(tmp_path.glob(".*"))
    code, _, _ = run(capfd, "train", f"--train_clean={target}", f"--run_dir={tmp_path / 'run'}", *TRAIN_SHORT)
    assert code == 0


def test_demo_ends_with_its_line(capfd, tmp_path, monkeypatch):
    import ssdn_keras.training.demonstration as demonstration

    monkeypatch.setattr(demonstration, "SMALLEST", 4)
    monkeypatch.setattr(demonstration, "test_photographs", lambda: {"cat": smooth_image(0, 64, 64)})
    code, out, _ = run(capfd, "demo", f"--output={tmp_path}", "--seconds=1")
    assert code == 0 and (tmp_path / "demo.png").exists() and (tmp_path / "final.keras").exists()
    last = out.strip().splitlines()[-1]
    assert last.startswith("demo: noisy 20.") and ", non-local means " in last and last.endswith(" dB")


def test_benchmark_prints_a_rate(capfd, photographs):
    code, out, _ = run(capfd, "benchmark", "--parts=input", f"--train_clean={photographs}", "--crop=32", "--seconds=1")
    assert code == 0 and "minibatches/s of 4×32×32" in out
    fails(capfd, 1, "missing", "benchmark", "--parts=input", "--train_clean=missing")


def test_a_broken_image_inside_an_hdf5_file_ends_in_one_line(capfd, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        images = file.create_dataset("images", (2,), dtype=h5py.vlen_dtype(np.dtype("uint8")))
        images[0] = images[1] = np.zeros(3 * 64 * 60, "uint8")
        file["shapes"] = np.array([[3, 64, 64]] * 2, "int32")
    fails(capfd, 1, "has 11520 values", "train", f"--train_clean={tmp_path / 'x.h5'}", f"--run_dir={tmp_path / 'run'}",
          *TRAIN_SHORT)  # fmt: skip


def test_unreadable_validation_images_are_named_and_skipped(capfd, tmp_path, photographs):
    validation = tmp_path / "validation"
    validation.mkdir()
    (validation / "cut.png").write_bytes((photographs / "a.png").read_bytes()[:300])
    arguments = [f"--train_clean={photographs}", f"--run_dir={tmp_path / 'run'}", f"--val_clean={validation}"]
    fails(capfd, 1, "no readable image to validate", "train", *arguments, *TRAIN_SHORT)
    (validation / "good.png").write_bytes((photographs / "a.png").read_bytes())
    code, _, err = run(capfd, "train", *arguments, *TRAIN_SHORT)
    assert code == 0 and "cut.png" in err


def test_records_of_another_program_are_left_alone(capfd, tmp_path, photographs):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_text("a,b\n1,2\n")
    fails(
        capfd, 1, "metrics.csv", "train", f"--train_clean={photographs}", f"--run_dir={tmp_path / 'run'}", *TRAIN_SHORT
    )
    assert (tmp_path / "run" / "metrics.csv").read_text() == "a,b\n1,2\n"
