"""The denoise and train commands on files of every kind, as people have them."""

import numpy as np
import pytest
import tifffile
from command_line import fails, run
from conftest import smooth_image
from PIL import Image

import ssdn_keras
from ssdn_keras import denoising
from ssdn_keras.data.files import collect, shard
from ssdn_keras.data.measured_range import resolve
from ssdn_keras.data.sources import ArraySource, open_source

LOW, HIGH = 100, 4000


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "x.keras"
    ssdn_keras.Denoiser(noise="gauss25", channels=1).save(path)
    return path


@pytest.fixture(scope="module")
def deep_model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "deep.keras"
    ssdn_keras.Denoiser(noise="gauss200", channels=1, value_range=(LOW, HIGH)).save(path)
    return path


def deep(seed, height=40, width=48, channels=1):
    """16-bit values of 100 to 4000, without noise."""
    image = smooth_image(seed, height, width, channels).reshape(height, width, channels) / 255
    return (LOW + (HIGH - LOW) * image)[..., 0 if channels == 1 else slice(None)].astype("uint16")


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    tifffile.imwrite(folder / "a.tif", np.stack([deep(i) for i in range(3)]), imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "deep" / "b.tif", deep(4).astype("float32"), compression="zlib", tile=(16, 16))
    Image.fromarray(deep(5)).save(folder / "c.png")
    Image.fromarray(smooth_image(6, 40, 48)).save(folder / "d.webp", lossless=True)
    return folder


def denoise(capfd, model, source, output, *flags):
    return run(capfd, "denoise", f"--model={model}", f"--output={output}", *flags, source)


def test_every_file_keeps_its_kind(capfd, tmp_path, files, deep_model_file):
    output = tmp_path / "out"
    code, out, err = denoise(capfd, deep_model_file, files, output, "--std")
    assert code == 0 and "4 of 4" in out, err
    model = ssdn_keras.load(deep_model_file)
    stack, result = tifffile.imread(files / "a.tif"), tifffile.imread(output / "a.tif")
    assert result.dtype == np.uint16 and tifffile.TiffFile(output / "a.tif").is_imagej
    for page in range(3):
        np.testing.assert_array_equal(result[page], model.denoise(stack[page]))
    tiled = tifffile.imread(output / "deep" / "b.tif")
    assert tiled.dtype == np.float32 and (tiled != np.rint(tiled)).any()
    expected, std = model.denoise(tifffile.imread(files / "deep" / "b.tif"), return_std=True)
    np.testing.assert_allclose(tiled, expected, rtol=1e-6)
    np.testing.assert_allclose(tifffile.imread(output / "deep" / "b.tif.std.tif"), std, rtol=1e-6)
    assert np.asarray(Image.open(output / "c.png")).dtype == np.uint16
    assert tifffile.imread(output / "a.tif.std.tif").shape == (3, 40, 48)
    assert tifffile.imread(output / "d.webp.std.tif").shape == (40, 48, 3)
    assert 0 < std.max() <= 201


def test_the_level_is_in_the_units_of_the_file(capfd, tmp_path, model_file):
    image = smooth_image(0, 24, 32, 1)
    for name, array in (("8.tif", image), ("16.tif", image.astype("uint16") * 257), ("f.tif", image / np.float32(255))):
        tifffile.imwrite(tmp_path / name, array)
    results = {}
    for name, level in (("8.tif", 10), ("16.tif", 2570), ("f.tif", 10 / 255)):
        flags = (f"--noise_level={level}", "--output_dtype=float32", "--std")
        assert denoise(capfd, model_file, tmp_path / name, tmp_path / "out", *flags)[0] == 0
        results[name] = [tifffile.imread(tmp_path / "out" / file) for file in (name, f"{name}.std.tif")]
    for one, other in ((257, "16.tif"), (1 / 255, "f.tif")):
        for a, b in zip(results["8.tif"], results[other], strict=True):
            np.testing.assert_allclose(a * one, b, rtol=2e-4, atol=2e-5 * one)
    code, _, err = denoise(capfd, model_file, tmp_path / "8.tif", tmp_path / "other", "--noise_level=2570")
    assert code == 2 and "noise_level must be" in err


def test_resume_does_what_is_left(capfd, tmp_path, files, deep_model_file):
    output = tmp_path / "out"
    assert denoise(capfd, deep_model_file, files, output)[0] == 0
    before = (output / "c.png").stat().st_mtime_ns
    (output / "a.tif").unlink()
    code, out, _ = denoise(capfd, deep_model_file, files, output, "--resume")
    assert code == 0 and "1 of 1" in out and "3 were there" in out and (output / "c.png").stat().st_mtime_ns == before
    code, _, err = denoise(capfd, deep_model_file, files, output)
    assert code == 2 and "--overwrite" in err and "--resume" in err
    assert denoise(capfd, deep_model_file, files, output, "--resume", "--overwrite")[0] == 2
    code, out, _ = denoise(capfd, deep_model_file, files, output, "--resume", "--std")
    assert code == 0 and "4 of 4" in out


def test_results_inside_the_input_folder_are_no_inputs(capfd, tmp_path, files, deep_model_file):
    for _ in range(2):
        code, out, _ = denoise(capfd, deep_model_file, files, files / "out", "--overwrite")
        assert code == 0 and "4 of 4" in out


def test_shards_share_a_folder(capfd, tmp_path, files, deep_model_file):
    for number in (1, 2, 3):
        assert denoise(capfd, deep_model_file, files, tmp_path / "out", f"--shard={number}/3")[0] == 0
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 4
    for text, message in (
        ("0/3", "from 1 to 3"),
        ("4/3", "from 1 to 3"),
        ("1", "expected I/N"),
        ("a/b", "expected I/N"),
    ):
        fails(capfd, 2, message, "denoise", f"--model={deep_model_file}", f"--output={tmp_path / 'x'}",
              f"--shard={text}", files)  # fmt: skip
    pairs = list(range(10))
    assert sorted(sum((shard(pairs, f"{i}/4") for i in (1, 2, 3, 4)), [])) == pairs


def write(path, content):
    path.write_bytes(content)


BAD = {
    "empty.tif": (lambda path: write(path, b""), "empty"),
    "text.png": (lambda path: write(path, b"nothing at all"), "not an image"),
    "cut.tif": (lambda path: write(path, (path.parent / "a.tif").read_bytes()[:6000]), "truncated|damaged"),
    "named.png": (lambda path: write(path, (path.parent / "a.tif").read_bytes()), "must end in .tif"),
    "named.tif": (lambda path: write(path, (path.parent / "c.png").read_bytes()), "holds no TIFF"),
    "two.tif": (
        lambda path: tifffile.imwrite(path, np.zeros((20, 30, 2), "uint16"), planarconfig="contig", photometric=1),
        "has 2 channels, the model is for 3",
    ),
    "nan.tif": (
        lambda path: tifffile.imwrite(path, np.array([[1, np.nan], [np.inf, 2]], "float32")),
        "holds 2 values that are NaN or infinite; --nan=keep",
    ),
    "complex.tif": (lambda path: tifffile.imwrite(path, np.zeros((9, 9), "complex64")), "complex64 are not supported"),
    "huge.png": (lambda path: Image.new("L", (1200, 1000)).save(path), "1200×1000 pixels, more than the limit"),
}  # fmt: skip


def test_bad_files_are_named_and_the_rest_goes_on(capfd, tmp_path, files):
    model = tmp_path / "colour.keras"
    ssdn_keras.Denoiser(noise="gauss200", value_range=(LOW, HIGH)).save(model)
    for name, (make, _) in BAD.items():
        make(files / name)
    code, out, err = denoise(capfd, model, files, tmp_path / "out", "--max_pixels=1000000", "--std")
    assert code == 1 and f"4 of {4 + len(BAD)}" in out
    lines = {name: [line for line in err.splitlines() if f"/{name}: " in line] for name in BAD}
    for name, (_, message) in BAD.items():
        assert len(lines[name]) == 1 and any(word in lines[name][0] for word in message.split("|")), (name, lines[name])
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 8  # nothing half-written


def test_nan_passes_through(capfd, tmp_path, model_file):
    image = smooth_image(0, 40, 48, 1).astype("float32") / 255
    image[3:5, 7], image[20, 30] = np.nan, np.inf
    tifffile.imwrite(tmp_path / "a.tif", image)
    code, _, err = denoise(capfd, model_file, tmp_path / "a.tif", tmp_path / "out", "--nan=keep", "--std")
    assert code == 0, err
    result, std = (tifffile.imread(tmp_path / "out" / name) for name in ("a.tif", "a.tif.std.tif"))
    np.testing.assert_array_equal(np.isnan(result), np.isnan(image))
    np.testing.assert_array_equal(np.isinf(result), np.isinf(image))
    np.testing.assert_array_equal(np.isnan(std), ~np.isfinite(image))
    tifffile.imwrite(tmp_path / "b.tif", np.full((9, 9), np.nan, "float32"))
    code, _, err = denoise(capfd, model_file, tmp_path / "b.tif", tmp_path / "out", "--nan=keep")
    assert code == 1 and "nothing but NaN" in err


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int16"])
def test_constant_and_tiny_images(tmp_path, shape, dtype):
    model = ssdn_keras.Denoiser("gauss", "global", channels=1, value_range=(0, 100))
    tifffile.imwrite(tmp_path / "a.tif", np.full(shape, 7, dtype))
    denoising.denoise_file(tmp_path / "a.tif", tmp_path / "b.tif", model, std=tmp_path / "c.tif")
    result, std = tifffile.imread(tmp_path / "b.tif"), tifffile.imread(tmp_path / "c.tif")
    assert result.shape == std.shape == shape and result.dtype == dtype and np.isfinite(std).all()


def test_what_would_be_written_twice(tmp_path, files):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "c.png").write_bytes((files / "c.png").read_bytes())
    with pytest.raises(ValueError, match="would both be written to"):
        collect([files, tmp_path / "other" / "c.png"], tmp_path / "out")
    with pytest.raises(ValueError, match="overwritten by its own result"):
        collect([files], files)
    (files / "c.png.std.tif").write_bytes((files / "a.tif").read_bytes())
    assert len(collect([files], tmp_path / "out")) == 5
    with pytest.raises(ValueError, match="would both be written to"):
        collect([files], tmp_path / "out", std=True)


def test_floats_do_not_go_into_png(capfd, tmp_path, files, deep_model_file):
    code, out, err = denoise(capfd, deep_model_file, files, tmp_path / "out", "--output_dtype=float32")
    assert code == 1 and "2 of 4" in out and "c.png: a .png file holds uint8 or uint16, not float32" in err
    assert tifffile.imread(tmp_path / "out" / "a.tif").dtype == np.float32


def test_a_model_of_several_channels(capfd, tmp_path):
    model = ssdn_keras.Denoiser("gauss200", channels=2, value_range=(LOW, HIGH))
    array = np.stack([np.stack([deep(i), deep(i + 9)]) for i in range(3)])
    tifffile.imwrite(tmp_path / "a.ome.tif", array, ome=True, metadata={"axes": "ZCYX"}, photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.ome.tif", np.moveaxis(array, 1, 0), ome=True, metadata={"axes": "CZYX"},
                     photometric="minisblack")  # fmt: skip
    for name in ("a", "b"):
        denoising.denoise_file(tmp_path / f"{name}.ome.tif", tmp_path / "out" / f"{name}.ome.tif", model)
    a, b = (tifffile.imread(tmp_path / "out" / f"{name}.ome.tif") for name in ("a", "b"))
    np.testing.assert_array_equal(a, np.moveaxis(b, 0, 1))
    np.testing.assert_array_equal(a[1], np.moveaxis(model.denoise(np.moveaxis(array[1], 0, -1)), -1, 0))


# Training


def test_training_takes_stacks_and_keeps_their_range(capfd, tmp_path):
    folder, noisy = tmp_path / "in", np.random.RandomState(0)
    folder.mkdir()
    stack = np.stack([deep(i, 48, 48) + noisy.normal(0, 200, (48, 48)) for i in range(3)])
    tifffile.imwrite(folder / "a.tif", stack.clip(0, 65535).astype("uint16"))
    Image.fromarray(smooth_image(0)).save(folder / "other.png")
    flags = ("--noise=gauss200", "--channels=1", "--crop=32", "--images=4", "--minibatch=2")
    code, _, err = run(capfd, "train", f"--train_noisy={folder}", f"--run_dir={tmp_path / 'run'}", *flags)
    assert code == 0 and "other.png: holds uint8, most of the others uint16" in err and "value range" in err
    model = ssdn_keras.load(tmp_path / "run" / "final.keras")
    low, high = model.value_range
    assert stack.min() < low < high < stack.max() and model.noise.levels == (200, 200)
    assert model.noise.parameters[0] == pytest.approx(200 / (high - low))
    for text, expected in ((f"{LOW},{HIGH}", (LOW, HIGH)), ("dtype", (0, 65535))):
        run_dir = tmp_path / text
        code, _, err = run(
            capfd, "train", f"--train_noisy={folder}", f"--run_dir={run_dir}", f"--value_range={text}", *flags
        )
        assert code == 0, err
        assert ssdn_keras.load(run_dir / "final.keras").value_range == expected
    fails(capfd, 1, "--value_range was", "train", f"--train_noisy={folder}", f"--run_dir={tmp_path / 'run'}",
          "--value_range=0,900", *flags)  # fmt: skip
    for text in ("9,0", "x", "1,2,3", "nan,3"):
        fails(capfd, 2, "value range", "train", f"--train_noisy={folder}", f"--value_range={text}", *flags)


def test_sixteen_bits_train_as_eight_bits_do(capfd, tmp_path):
    """The same images and noise as 0..255 and as 100..4000: the same training, but for rounding."""
    scale, models = (HIGH - LOW) / 255, []
    for name in ("8", "16"):
        (tmp_path / name).mkdir()
    for seed in range(3):
        image = smooth_image(seed, 48, 48, 1)
        tifffile.imwrite(tmp_path / "8" / f"{seed}.tif", image)
        tifffile.imwrite(tmp_path / "16" / f"{seed}.tif", np.rint(LOW + image * scale).astype("uint16"))
    for name, noise, value_range in (("8", 25, "auto"), ("16", 25 * scale, f"{LOW},{HIGH}")):
        code, _, err = run(
            capfd, "train", f"--train_clean={tmp_path / name}", f"--run_dir={tmp_path / f'run{name}'}",
            f"--noise=gauss{noise}", f"--value_range={value_range}", "--channels=1", "--crop=32", "--images=24",
            "--minibatch=2", "--noise_parameter=global",
        )  # fmt: skip
        assert code == 0, err
        models.append(ssdn_keras.load(tmp_path / f"run{name}" / "final.keras"))
    noisy = (smooth_image(7, 48, 48, 1) + np.random.RandomState(0).normal(0, 25, (48, 48))).astype("float32")
    results = [models[0].denoise(noisy, data_range=255), (models[1].denoise(LOW + noisy * scale) - LOW) / scale]
    # Where so short a training leaves a prior that is nearly singular, rounding decides: not everywhere.
    assert np.quantile(np.abs(results[0] - results[1]), 0.99) < 1
    rows = [(tmp_path / f"run{name}" / "metrics.csv").read_text().splitlines() for name in ("8", "16")]
    levels, psnrs = (
        [float(row[-1].split(",")[row[0].split(",").index(name)]) for row in rows] for name in ("noise_level", "psnr")
    )
    # Rounded values differ by up to 0.03 grey levels, which Adam's first steps turn into signs.
    assert psnrs[1] == pytest.approx(psnrs[0], abs=0.1)
    assert levels[1] == pytest.approx(levels[0] * scale, rel=1e-3)


def test_ranges_of_training_sets():
    eight, floats = [np.full((8, 8), 7, "uint8")], [np.linspace(-1, 5, 4096).reshape(64, 64).astype("float32")]
    assert resolve("auto", ArraySource(eight, 1)) is resolve("dtype", ArraySource(eight, 1)) is None
    assert resolve("dtype", ArraySource(floats, 1)) == (0, 1)
    low, high = resolve("auto", ArraySource(floats, 1))
    assert low == pytest.approx(-0.994, abs=0.01) and high == pytest.approx(4.994, abs=0.01)
    with pytest.raises(ValueError, match="one value only, 7"):
        resolve("percentiles", ArraySource(eight, 1))
    with pytest.raises(ValueError, match="several types"):
        resolve("dtype", ArraySource([*eight, *floats], 1))


@pytest.mark.parametrize("kind", ["h5", "tfrecord"])
@pytest.mark.parametrize("dtype,channels", [("uint16", 1), ("float32", 2), ("int16", 3), ("uint8", 4), ("uint8", 3)])
def test_training_files_hold_any_values(capfd, tmp_path, kind, dtype, channels):
    folder, target = tmp_path / "in", tmp_path / f"x.{kind}"
    folder.mkdir()
    images = [(deep(i, 40, 48, channels) / 20).reshape(40, 48, channels).astype(dtype) for i in range(3)]
    for index, image in enumerate(images):
        options = {"photometric": "rgb"} if channels == 3 else {"photometric": "minisblack"}
        options |= {"planarconfig": "contig"} if channels > 1 else {}
        tifffile.imwrite(folder / f"{index}.tif", image if channels > 1 else image[..., 0], **options)
    assert run(capfd, "prepare", f"--input={folder}", f"--output={target}")[0] == 0
    source, plain = open_source(target, channels), open_source(folder, channels)
    assert source.dtypes == plain.dtypes == {dtype} and len(source) == 3
    for index, image in enumerate(images):
        np.testing.assert_array_equal(source.image(index), image)
        np.testing.assert_array_equal(plain.image(index), image)
    assert run(capfd, "prepare", f"--input={target}", f"--output={tmp_path / 'back'}")[0] == 0
    np.testing.assert_array_equal(open_source(tmp_path / "back", channels).image(2), images[2])
    if channels in (2, 4):
        message = f"they have {channels}" if kind == "h5" else f"has {channels} channels, 5 are needed"
        fails(capfd, 1, message, "train", f"--train_clean={target}", f"--run_dir={tmp_path / 'run'}", "--noise=gauss2",
              "--crop=32", "--images=2", "--channels=5")  # fmt: skip
