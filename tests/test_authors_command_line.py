"""What users of the authors' program bring along: names of experiments, files; and the page that is for them."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import fails, run
from conftest import smooth_image
from PIL import Image

import ssdn_keras
from ssdn_keras.data import HDF5Source, open_source
from ssdn_keras.evaluation.protocol import parse_test_sets
from ssdn_keras.interop.experiments import EXPERIMENTS, experiment_of_file
from ssdn_keras.train import COMMAND, read_settings

ROOT = Path(__file__).parent.parent
PAGE = "docs/authors-command-line.md"
SHORT = ("--images=4", "--crop=32", "--minibatch=2")


def settings(*arguments):
    return read_settings(COMMAND.parse(["train", *arguments, "--train_clean=x", "--run_dir=y"])[0])


# Experiments


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_what_its_flag_file_says(name):
    flag_file = f"--flagfile={ROOT / 'flags' / name}.cfg"
    assert settings(f"--experiment={name}") == settings(flag_file) == settings(flag_file, f"--experiment={name}")


def test_other_flags_remain_free():
    changed = settings("--images=100", "--experiment=impulse50-n2n", "--crop=64", "--minibatch=8", "--seed=3")
    assert (changed.images, changed.crop, changed.minibatch, changed.seed) == (100, 64, 8, 3)
    assert (changed.noise, changed.algorithm) == ("impulse50", "n2n")
    assert settings("--experiment=impulse50-n2n").images == 16_000_000


@pytest.mark.parametrize("arguments,message", [
    (["--experiment=gauss25-n2c", "--noise=poisson30"],
     "--noise=poisson30 contradicts --experiment=gauss25-n2c, which has --noise=gauss25"),
    (["--algorithm=n2n", "--experiment=gauss25-n2c"], "which has --algorithm=n2c"),
    (["--experiment=gauss25-blindspot-sigma_global", "--noise_parameter=known"], "which has --noise_parameter=global"),
    (["--experiment=gauss25-n2c-mono", "--channels=3"], "which has --channels=1"),
    (["--experiment=gauss25-n2c", "--diagonal_covariance"], "which has --nodiagonal_covariance"),
    (["--experiment=gauss25-n2c", f"--flagfile={ROOT / 'flags' / 'gauss25-n2n.cfg'}"], "--algorithm=n2n contradicts"),
    (["--experiment=gaus25-n2c"], "unknown experiment 'gaus25-n2c'; did you mean gauss25-n2c?"),
    (["--experiment=gauss25-blindspot-sigma_unknown"], "did you mean gauss25-blindspot-sigma_known?"),
    (["--experiment="], "unknown experiment"),
    (["--experimant=gauss25-n2c"], "did you mean --experiment?"),
])  # fmt: skip
def test_contradictions_and_wrong_names_end_in_one_line(capfd, tmp_path, arguments, message):
    fails(capfd, 2, message, "train", *arguments, "--train_clean=x", f"--run_dir={tmp_path / 'run'}")
    assert not (tmp_path / "run").exists()


def test_an_experiment_trains_and_goes_on(capfd, tmp_path, photographs):
    run_dir = tmp_path / "run"
    arguments = ["--experiment=gauss25-n2c-mono", f"--train_clean={photographs}", f"--run_dir={run_dir}", *SHORT]
    assert run(capfd, "train", *arguments)[0] == 0
    config = ssdn_keras.load(run_dir / "final.keras").get_config()
    assert (config["algorithm"], config["channels"], config["noise_range"]) == ("n2c", 1, [25.0, 25.0])
    lines = (run_dir / "flags.cfg").read_text().split()
    assert {"--noise=gauss25", "--algorithm=n2c", "--channels=1", "--images=4"} <= set(lines)
    assert run(capfd, "train", *arguments)[0] == 0  # started again: there is nothing left to do
    other = [argument.replace("-mono", "") for argument in arguments]
    fails(capfd, 1, "--channels was 1, is 3", "train", *other)


def test_experiments_need_no_keras():
    program = """
import sys
from ssdn_keras.train import COMMAND, apply_experiment
flags, _ = COMMAND.parse(["train", "--experiment=gauss25-n2c"])
apply_experiment(flags)
assert flags.algorithm == "n2c" and not {"keras", "tensorflow", "numpy"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


# Networks and evaluation


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_file_names_tell_the_experiment(name):
    for path in (f"network-final-{name}.pickle", f"a/b/network-00013-{name}.pickle"):
        assert experiment_of_file(Path(path)).name == name
    for path in (f"{name}.pickle", f"network-final-{name}-2.pickle", "network-00100000.pickle"):
        assert experiment_of_file(Path(path)) is None


@pytest.mark.parametrize("command,arguments", [
    ("evaluate", ["--model={file}", "--data={folder}"]),
    ("denoise", ["--model={file}", "--output={folder}/out", "{folder}"]),
    ("train", ["--init={file}", "--train_clean={folder}", "--run_dir={folder}/run", *SHORT]),
])  # fmt: skip
@pytest.mark.parametrize("suffix,program", [(".pickle", "the authors' program"), (".wt", "PyTorch")])
def test_a_file_that_has_to_be_converted_first(capfd, tmp_path, photographs, command, arguments, suffix, program):
    path = tmp_path / f"network-final-gauss25-n2c{suffix}"
    path.write_bytes(b"anything")
    arguments = [argument.format(file=path, folder=photographs) for argument in arguments]
    fails(capfd, 1, f"python -m ssdn_keras.convert {path} network-final-gauss25-n2c.keras", command, *arguments)
    fails(capfd, 1, program, command, *arguments)
    path.unlink()
    fails(capfd, 1, "no such model file", command, *arguments)


def test_sets_are_used_as_often_as_published():
    repeats = {test_set.name: test_set.repeats for test_set in parse_test_sets("kodak:a,bsd300:b,set14:c,mine:d")}
    assert repeats == {"kodak": 10, "bsd300": 3, "set14": 20, "mine": 1}


# Training files

# Files of a folder, and the order in which the authors' tool wrote those that it could use.
TREE = ("a/x.png", "a-b/x.png", "a/y.jpg", "c.png", "d.JPEG", "e.jpg", "A.png", "z/deep/q.png", "b.png")
DAMAGED = "b.png"
PUBLISHED_ORDER = ["a/y.jpg", "c.png", "a/x.png", "A.png", "z/deep/q.png", "d.JPEG", "e.jpg", "a-b/x.png"]
NOT_TAKEN = ("f.JPG", "g.jpeg", "h.PNG")


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    for value, name in enumerate((*TREE, *NOT_TAKEN, ".hidden.png")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (10 * value,) * 3).save(path, format="PNG")
    (folder / DAMAGED).write_text("no image")
    return folder


def values(path):
    source = HDF5Source(path, 1)
    return [int(source.image(i)[0, 0, 0]) // 10 for i in range(len(source))]


def test_the_published_order(capfd, tmp_path, tree):
    arguments = (f"--input={tree}", "--order=published")
    code, out, err = run(capfd, "prepare", *arguments, f"--output={tmp_path / 'all.h5'}")
    assert code == 0 and "8 images, 4 skipped" in out and all(name in err for name in (*NOT_TAKEN, DAMAGED))
    assert [TREE[value] for value in values(tmp_path / "all.h5")] == PUBLISHED_ORDER
    run(capfd, "prepare", *arguments, f"--output={tmp_path / 'first.h5'}", "--max_files=3")
    assert [TREE[value] for value in values(tmp_path / "first.h5")] == PUBLISHED_ORDER[:3]
    code, out, _ = run(capfd, "prepare", f"--input={tree}", f"--output={tmp_path / 'sorted.h5'}", "--max_files=99")
    assert code == 0 and "11 images, 1 skipped" in out


def test_the_size_filter_has_both_ends(capfd, tmp_path):
    folder = tmp_path / "sizes"
    folder.mkdir()
    for width, height in ((15, 20), (20, 15), (16, 16), (32, 32), (16, 32), (33, 20), (20, 33)):
        Image.new("RGB", (width, height)).save(folder / f"{width}x{height}.png")
    limits = ("--smallest=16", "--largest=32")
    code, out, _ = run(capfd, "prepare", f"--input={folder}", f"--output={tmp_path / 'x.h5'}", *limits)
    assert code == 0 and "3 images, 4 skipped" in out
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["shapes"][:].tolist() == [[3, 16, 16], [3, 32, 16], [3, 32, 32]]
    run(capfd, "prepare", f"--input={folder}", f"--output={tmp_path / 'all.h5'}")
    code, out, _ = run(capfd, "prepare", f"--input={tmp_path / 'all.h5'}", f"--output={tmp_path / 'y.h5'}", *limits)
    assert code == 0 and "3 images, 4 skipped" in out
    for name in ("images", "shapes"):
        with h5py.File(tmp_path / "x.h5") as x, h5py.File(tmp_path / "y.h5") as y:
            assert all(np.array_equal(a, b) for a, b in zip(x[name][:], y[name][:], strict=True))


def authors_file(path, images, shapes=None):
    """What the authors' tool writes: C×H×W images in a dataset of fixed length."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("images", (len(images),), dtype=h5py.vlen_dtype(np.dtype("uint8")))
        for i, image in enumerate(images):
            data[i] = image.ravel()
        shapes = [image.shape for image in images] if shapes is None else shapes
        file.create_dataset("shapes", data=np.array(shapes, "int32").reshape(-1, 3))
    return path


def read_like_the_authors(path):
    """As their program does: slices of both datasets, each image reshaped."""
    with h5py.File(path) as file:
        flat, shapes = file["images"][0:1024], file["shapes"][0:1024]
    return [np.reshape(image, shape) for image, shape in zip(flat, shapes, strict=True)]


def test_folder_to_file_to_folder(capfd, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    colour = Image.fromarray(smooth_image(0, 24, 40))
    pictures = {"a.jpg": colour, "b.png": colour.convert("L"), "c.png": colour.copy(), "d.png": colour.convert("LA"),
                "e.png": colour.quantize(64), "f.jpg": colour.convert("CMYK")}  # fmt: skip
    pictures["c.png"].putalpha(100)
    for name, picture in pictures.items():
        picture.save(folder / name)
    assert run(capfd, "prepare", f"--input={folder}", f"--output={tmp_path / 'x.h5'}")[0] == 0
    code, out, _ = run(capfd, "prepare", f"--input={tmp_path / 'x.h5'}", f"--output={tmp_path / 'out'}")
    assert code == 0 and "6 images, 0 skipped" in out
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == [f"{i:08d}.png" for i in range(6)]
    for name, theirs, path in zip(pictures, read_like_the_authors(tmp_path / "x.h5"), written, strict=True):
        expected = np.asarray(Image.open(folder / name).convert("RGB"))
        assert theirs.shape == (3, 24, 40) and theirs.dtype == np.uint8
        np.testing.assert_array_equal(theirs.transpose(1, 2, 0), expected)
        np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)
    first, again = open_source(tmp_path / "x.h5", 3), open_source(tmp_path / "out", 3)
    for i in range(6):
        np.testing.assert_array_equal(first.image(i), again.image(i))


def test_grey_and_alpha_in_a_file(capfd, tmp_path):
    colour = smooth_image(0, 24, 40).transpose(2, 0, 1)
    alpha = np.concatenate([colour, np.full((1, 24, 40), 9, "uint8")])
    path = authors_file(tmp_path / "x.h5", [colour, colour[:1], alpha])
    source = open_source(path, 3)
    np.testing.assert_array_equal(source.image(0), source.image(2))
    np.testing.assert_array_equal(source.image(1), np.repeat(colour[:1].transpose(1, 2, 0), 3, axis=-1))
    assert run(capfd, "prepare", f"--input={path}", f"--output={tmp_path / 'out'}")[0] == 0
    assert [Image.open(tmp_path / "out" / f"{i:08d}.png").mode for i in range(3)] == ["RGB", "L", "RGB"]
    assert run(capfd, "prepare", f"--input={path}", f"--output={tmp_path / 'y.h5'}", "--max_files=2")[0] == 0
    assert [image.shape[0] for image in read_like_the_authors(tmp_path / "y.h5")] == [3, 1]


def test_a_file_that_was_not_finished(capfd, tmp_path):
    """The authors' tool makes room for all images first, and ends at a damaged one."""
    images = [smooth_image(i, 40, 40).transpose(2, 0, 1) for i in range(3)]
    shapes = [image.shape for image in images[:2]] + [(0, 0, 0)]
    path = authors_file(tmp_path / "x.h5", [*images[:2], np.zeros(0, "uint8")], shapes)
    code, _, err = run(capfd, "train", f"--train_clean={path}", f"--run_dir={tmp_path / 'run'}", *SHORT)
    assert code == 0 and "image 2: was never written" in err and "2 images used, 1 skipped" in err
    code, out, err = run(capfd, "prepare", f"--input={path}", f"--output={tmp_path / 'out'}")
    assert code == 0 and "2 images, 1 skipped" in out and "never written" in err


def test_a_damaged_image_in_a_file_is_skipped_by_prepare_and_replaced_in_a_training(capfd, tmp_path):
    images = [smooth_image(i, 40, 40).transpose(2, 0, 1) for i in range(3)]
    path = authors_file(tmp_path / "x.h5", images, [(3, 40, 40), (3, 40, 41), (3, 40, 40)])
    code, out, err = run(capfd, "prepare", f"--input={path}", f"--output={tmp_path / 'out'}")
    assert code == 0 and "2 images, 1 skipped" in out and f"skipped {path}: image 1 has 4800 values" in err
    code, _, err = run(capfd, "train", f"--train_clean={path}", f"--run_dir={tmp_path / 'run'}", *SHORT)
    assert code == 0 and err.count("image 1 has 4800 values") == 1 and "the next image takes its place" in err


@pytest.mark.parametrize("arguments,code,message", [
    (["--input={h5}", "--output={h5}"], 2, "--overwrite"),
    (["--input={h5}", "--output={full}"], 2, "is not empty"),
    (["--input={h5}", "--output={full}/a.png"], 2, "is not a folder"),
    (["--input={h5}", "--output={new}", "--order=published"], 2, "--order goes with a folder"),
    (["--input={full}", "--output={new}"], 2, "must end in .h5"),
    (["--input={full}", "--output={new}.h5", "--order=publishd"], 2, "did you mean published?"),
    (["--input={full}", "--output={new}.h5", "--max_files=0"], 2, "max_files"),
    (["--input={full}", "--output={new}.h5", "--smallest=9", "--largest=8"], 2, "--smallest=9 is above --largest=8"),
    (["--input={new}.h5", "--output={new}"], 1, "absent.h5: no such file"),
    (["--input={new}", "--output={new}.h5"], 1, "no such folder"),
    (["--input={full}/a.png", "--output={new}.h5"], 1, "a folder of images, an HDF5 file"),
    (["--input={h5}", "--output={new}", "--smallest=99"], 1, "no usable image, 1 skipped"),
])  # fmt: skip
def test_errors_of_prepare(capfd, tmp_path, photographs, arguments, code, message):
    h5 = authors_file(tmp_path / "x.h5", [np.zeros((3, 40, 40), "uint8")])
    places = {"h5": h5, "full": photographs, "new": tmp_path / "absent"}
    fails(capfd, code, message, "prepare", *[argument.format(**places) for argument in arguments])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "x.h5"]


def broken_files(folder):
    """Name of a damaged HDF5 file, and what has to be said about it."""
    image = smooth_image(0, 40, 40).transpose(2, 0, 1)
    whole = authors_file(folder / "whole.h5", [image, image]).read_bytes()
    for name, length in (("empty", 0), ("header", 50), ("half", len(whole) // 2), ("end", len(whole) - 1)):
        (folder / f"{name}.h5").write_bytes(whole[:length])
        yield name, "not a readable HDF5 file"
    heap = bytearray(whole)
    heap[heap.index(b"GCOL")] = 0
    (folder / "heap.h5").write_bytes(heap)
    yield "heap", "cannot be read"
    tree = bytearray(whole)
    tree[tree.index(b"SNOD")] = 0
    (folder / "group.h5").write_bytes(tree)
    yield "group", "not a readable HDF5 file"
    kind = h5py.vlen_dtype(np.dtype("uint8"))
    layouts = {
        "nothing": ({}, "has none"), "other": ({"x": np.zeros(3)}, "has ['x']"),
        "no shapes": ({"images": np.zeros((1, 4), "uint8")}, "needs the datasets"),
        "no images": ({"shapes": np.zeros((1, 3), "int32")}, "needs the datasets"),
        "floats": ({"images": np.zeros(2), "shapes": np.zeros((2, 3), "int32")}, "variable length"),
        "too few shapes": ({"shapes": np.full((1, 3), 3, "int32")}, "'shapes' must be integers 2×3"),
        "flat shapes": ({"shapes": np.full(6, 3, "int32")}, "'shapes' must be integers 2×3"),
        "shapes of floats": ({"shapes": np.full((2, 3), 3.0)}, "'shapes' must be integers 2×3"),
        "two channels": ({"shapes": np.full((2, 3), 2, "int32")}, "1 or 3 channels"),
        "channels last": ({"shapes": np.array([[40, 40, 3]] * 2, "int32")}, "1 or 3 channels"),
        "negative": ({"shapes": np.array([[3, -40, -40]] * 2, "int32")}, "no usable image, 2 skipped"),
    }  # fmt: skip
    for name, (content, message) in layouts.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for key, value in content.items():
                file[key] = value
            if set(content) == {"shapes"} and name != "no images":
                data = file.create_dataset("images", (2,), dtype=kind)
                data[0] = data[1] = image.ravel()
        yield name, message
    with h5py.File(folder / "groups.h5", "w") as file:
        file.create_group("images"), file.create_group("shapes")
    yield "groups", "must be datasets"
    with h5py.File(folder / "link.h5", "w") as file:
        file["images"], file["shapes"] = h5py.ExternalLink("absent.h5", "/x"), h5py.SoftLink("/absent")
    yield "link", "not a readable HDF5 file"
    authors_file(folder / "zero.h5", [])
    yield "zero", "holds no image"


def test_damaged_training_files_end_in_one_line(capfd, tmp_path):
    for name, message in broken_files(tmp_path):
        path = tmp_path / f"{name}.h5"
        for part in (str(path), message):
            fails(capfd, 1, part, "train", f"--train_clean={path}", f"--run_dir={tmp_path / 'run'}", *SHORT)
        if name == "two channels":  # wrong for a model of colour images, and copied as it is
            continue
        # What is wrong with a single image is a reason to leave it out here, and then none remains.
        said = "no usable image, 2 skipped" if name == "heap" else message
        fails(capfd, 1, said, "prepare", f"--input={path}", f"--output={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


# The page


def commands_of(name):
    """Command lines of this package in a page, in blocks and within lines."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return re.findall(r"python -m ssdn_keras\.(\w+)([^`\n]*)", text)


@pytest.mark.parametrize("name", ["README.md", PAGE])
def test_commands_of_the_page_are_accepted(name):
    found = commands_of(name)
    assert len(found) > 8
    for command, tail in found:
        module = importlib.import_module(f"ssdn_keras.{command}")
        arguments = shlex.split(tail.split(" 2>&1")[0].replace("--max_files=N", "--max_files=9"), comments=True)
        flag_files = [ROOT / a.split("=")[1] for a in arguments if a.startswith("--flagfile=flags/")]
        assert all(path.exists() for path in flag_files)
        arguments = [a.replace("=flags/", f"={ROOT}/flags/") for a in arguments if "=runs/known/flags.cfg" not in a]
        if arguments == ["--help"]:
            continue
        flags, _ = module.COMMAND.parse([command, *arguments])
        if command == "train" and len(arguments) > 1:
            read_settings(flags)


def test_the_page_names_every_experiment():
    text = (ROOT / PAGE).read_text()
    listed = re.search(r"## The 46 experiments\n\n```\n(.*?)```", text, re.DOTALL).group(1).split()
    assert sorted(listed) == sorted(EXPERIMENTS)
