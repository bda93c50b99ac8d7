"""The networks that come with the package, on photographs of scikit-image, none of which they learnt from."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import fails, run
from keras import ops
from PIL import Image, ImageDraw
from skimage import color, data

import ssdn_keras
from ssdn_keras import shipped
from ssdn_keras.denoising import denoise_file
from ssdn_keras.evaluation import metrics, protocol
from ssdn_keras.model.half import write_half

LARGEST = 5 * 10**6
NAMES = shipped.names()
LICENCES = {shipped.licence_of(name).parent.name for name in NAMES}


PHOTOGRAPHS = {"cat": data.chelsea, "coffee": data.coffee, "camera": data.camera, "astronaut": data.astronaut,
               "rocket": data.rocket, "moon": data.moon, "coins": data.coins}  # fmt: skip


def photographs(channels):
    """Names of those that have so many channels, or can be made to."""
    return [name for name in PHOTOGRAPHS if channels == 1 or name not in ("camera", "moon", "coins")]


def photograph(name, channels):
    image = PHOTOGRAPHS[name]()[40:296, 100:356]
    if channels == 3:
        return image
    return image[..., None] if image.ndim == 2 else np.rint(255 * color.rgb2gray(image)[..., None]).astype("uint8")


@pytest.fixture(scope="module", params=[name for name in NAMES if name.startswith("gauss")])
def network(request):
    return ssdn_keras.load(request.param)


def noisy(clean, sigma, seed=0):
    return clean / np.float32(255) + np.random.RandomState(seed).normal(0, sigma / 255, clean.shape).astype("float32")


def test_there_is_one_for_colour_and_one_for_grey():
    for licence in (None, *LICENCES):
        assert [ssdn_keras.load(shipped.suited(channels, licence)).channels for channels in (3, 1, 4)] == [3, 1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_small_and_has_a_card_and_a_licence(name):
    assert shipped.path_of(name).stat().st_size <= LARGEST
    card = shipped.card_of(name)
    for part in ("## Recipe", "## Measured", "## Where it fails", "python -m ssdn_keras.train", "--seed"):
        assert part in card
    assert shipped.licence_of(name).stat().st_size > 500


@pytest.mark.parametrize(
    "name, allows", [("gauss-mono", "non-commercial research only"), ("gauss-mono-cc0", "free for any use")]
)
def test_loading_says_what_the_licence_is(capfd, name, allows):
    ssdn_keras.load(name)
    said = capfd.readouterr().err
    assert f"network {name}: {allows}" in said or f"network {name}: for {allows}" in said
    assert str(shipped.licence_of(name)) in said


def test_an_unknown_name_is_refused_with_the_names():
    with pytest.raises(FileNotFoundError, match="gaus-rgb: no such model file.*gauss-rgb.*did you mean gauss-rgb"):
        ssdn_keras.load("gaus-rgb")


# Measured values less about 0.5 dB.
FLOOR = {("gauss-rgb", 15): 32.8, ("gauss-rgb", 25): 30.3, ("gauss-rgb", 50): 27.2,
         ("gauss-mono", 15): 31.1, ("gauss-mono", 25): 28.8, ("gauss-mono", 50): 26.2}  # fmt: skip


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_denoises_photographs_and_estimates_their_noise(network, sigma):
    for name in ("cat", "coffee"):
        clean = photograph(name, network.channels)
        image = noisy(clean, sigma)
        outputs = network.restore(image)
        result = metrics.psnr(clean, metrics.to_uint8(outputs["denoised"]))
        assert result > metrics.psnr(clean, metrics.to_uint8(image)) + 5
        assert result > FLOOR[f"gauss-{'rgb' if network.channels == 3 else 'mono'}", sigma]
        assert abs(float(np.mean(outputs["noise_std"])) * 255 / sigma - 1) < 0.1


@pytest.mark.parametrize("sigma", [5, 10, 35, 50, 75])
def test_finds_the_noise_of_every_image(network, sigma):
    """Stronger noise than in the training, too. Some photographs have noise of their own, of σ up to 1.8."""
    found = []
    for seed, name in enumerate(photographs(network.channels)):
        image = ops.convert_to_tensor(noisy(photograph(name, network.channels), sigma, seed)[None])
        # Without what is denoised, which takes longer.
        found.append(255 * float(network._forward({"noisy": image}, seek=True)[2][0, 0, 0, 0]))
    assert np.abs(np.array(found) / sigma - 1).max() < (0.17 if sigma == 5 else 0.08), found
    assert abs(np.mean(found) / sigma - 1) < 0.1, found


def test_the_documentation_shows_the_cards():
    page = (Path(__file__).parent.parent / "docs" / "shipped-networks.md").read_text(encoding="utf-8")
    for name in NAMES:
        card = re.sub(r"^(#+ )", r"#\1", shipped.card_of(name), flags=re.MULTILINE)
        assert card.strip() in page, name


@pytest.mark.parametrize("which", NAMES)
def test_does_no_harm_to_clean_images(which):
    network = ssdn_keras.load(which)
    for name in ("cat", "coffee"):
        clean = photograph(name, network.channels)
        assert metrics.psnr(clean, network.denoise(clean)) > 40


# Measured values less about 0.5 dB.
@pytest.mark.parametrize("counts, floor", [(5, 25.0), (30, 28.2), (100, 30.6)])
def test_denoises_photon_counts_and_finds_how_many(counts, floor):
    network = ssdn_keras.load("poisson-mono")
    for name in ("cat", "coffee"):
        clean = photograph(name, 1)
        image = np.float32(np.random.RandomState(0).poisson(counts * (clean / 255.0)) / counts)
        outputs = network.restore(image)
        result = metrics.psnr(clean, metrics.to_uint8(outputs["denoised"]))
        assert result > max(metrics.psnr(clean, metrics.to_uint8(image)) + 5, floor), (name, result)
        found = protocol.estimated_level(network, outputs["noise_std"], outputs["mean"])
        assert abs(found / counts - 1) < 0.1, (name, found)


def test_self_ensemble_is_better(network):
    clean = photograph("coffee", network.channels)
    image = noisy(clean, 25)
    once, std = network.denoise(image, return_std=True)
    turned, turned_std = network.denoise(image, return_std=True, self_ensemble=True)
    assert metrics.psnr(clean, metrics.to_uint8(turned)) > metrics.psnr(clean, metrics.to_uint8(once))
    assert std.shape == turned_std.shape and np.isclose(std.mean(), turned_std.mean(), rtol=0.05)


def test_the_command_needs_no_model(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clean = photograph("cat", 3)
    Image.fromarray(metrics.to_uint8(noisy(clean, 25))).save("photo.png")
    Image.fromarray(metrics.to_uint8(noisy(photograph("cat", 1), 25))[..., 0]).save("grey.png")
    code, out, err = run(capfd, "denoise", "photo.png", "grey.png")
    assert code == 0 and "denoised 2 of 2 images into denoised" in out, err
    assert err.count("non-commercial research only") == 2
    assert metrics.psnr(clean, np.asarray(Image.open("denoised/photo.png"))) > 28
    assert np.asarray(Image.open("denoised/grey.png")).shape == (256, 256)


def test_a_licence_chooses_networks_for_each_file(capfd, tmp_path):
    images = {"photo": noisy(photograph("cat", 3)[:64, :64], 25), "grey": noisy(photograph("cat", 1)[:64, :64], 25)}
    for name, values in images.items():
        Image.fromarray(metrics.to_uint8(values).squeeze()).save(tmp_path / f"{name}.png")
    files = [tmp_path / f"{name}.png" for name in images]
    code, _, err = run(capfd, "denoise", "--model=cc0", f"--output={tmp_path / 'out'}", *files)
    assert code == 0 and "network gauss-rgb-cc0: free" in err and "network gauss-mono-cc0: free" in err
    assert "non-commercial" not in err
    for name, network in zip(images, ("gauss-rgb-cc0", "gauss-mono-cc0"), strict=True):
        model = ssdn_keras.load(network, noise_model="gauss-clipped")
        expected = model.denoise(np.asarray(Image.open(tmp_path / f"{name}.png")))
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / f"{name}.png")), expected)
    fails(capfd, 1, "cc1: no such model file", "denoise", "--model=cc1", f"--output={tmp_path / 'x'}", files[0])


def test_a_grey_file_of_three_channels_is_denoised_as_grey(capfd, tmp_path):
    """Its noise is the same in all channels, which the network of colour images takes for structure."""
    clean = photograph("cat", 1)[..., 0]
    grey = metrics.to_uint8(noisy(photograph("cat", 1), 25))[..., 0]
    for name, values in (("grey", grey), ("colour", np.repeat(grey[..., None], 3, axis=-1))):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    output = f"--output={tmp_path / 'out'}"
    assert run(capfd, "denoise", output, "--std", tmp_path / "grey.png", tmp_path / "colour.png")[0] == 0
    one, three = (np.asarray(Image.open(tmp_path / "out" / f"{name}.png")) for name in ("grey", "colour"))
    assert three.shape == (256, 256, 3) and metrics.psnr(clean, one) > 28
    np.testing.assert_array_equal(three, np.repeat(one[..., None], 3, axis=-1))
    one, three = (tifffile.imread(tmp_path / "out" / f"{name}.png.std.tif") for name in ("grey", "colour"))
    np.testing.assert_array_equal(three, np.repeat(one[..., None], 3, axis=-1))


def test_noise_that_8_bits_clipped_is_found(capfd, tmp_path):
    """A quarter of this picture is black and has no noise; the rest reaches both ends."""
    clean = photograph("camera", 1)[..., 0].copy()
    clean[:, :64] = 0
    image = metrics.to_uint8(noisy(clean[..., None], 40))[..., 0]
    image[:, :64] = 0
    for name, flags in (("named", ["--model=gauss-mono"]), ("default", []), ("plain", ["--noise_model=gauss"])):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
        assert run(capfd, "denoise", *flags, f"--output={tmp_path / 'out'}", tmp_path / f"{name}.png")[0] == 0
    named, default, plain = (
        np.asarray(Image.open(tmp_path / "out" / f"{name}.png")) for name in ("named", "default", "plain")
    )
    np.testing.assert_array_equal(named, default)
    assert metrics.psnr(clean, default) > metrics.psnr(clean, plain) + 0.3
    found = ssdn_keras.load("gauss-mono", noise_model="gauss-clipped").restore(image[..., None] / np.float32(255))
    assert abs(255 * found["noise_std"].mean() / 40 - 1) < 0.05


def test_clean_drawings_in_black_and_white_stay(capfd, tmp_path):
    drawing = Image.new("L", (200, 200), 255)
    for row in range(0, 200, 20):
        ImageDraw.Draw(drawing).text((5, row), "the quick brown fox jumps", fill=0)
    drawing.save(tmp_path / "a.png")
    assert run(capfd, "denoise", f"--output={tmp_path / 'out'}", tmp_path / "a.png")[0] == 0
    assert metrics.psnr(np.asarray(drawing), np.asarray(Image.open(tmp_path / "out" / "a.png"))) > 40


def test_files_of_16_bits_are_scaled_by_their_own_values(capfd, tmp_path):
    clean = 100 + 3900.0 * photograph("cat", 1)[..., 0] / 255
    image = np.rint(clean + np.random.RandomState(0).normal(0, 300, clean.shape)).clip(0, 65535).astype("uint16")
    tifffile.imwrite(tmp_path / "a.tif", image)
    code, _, err = run(capfd, "denoise", f"--output={tmp_path / 'out'}", tmp_path / "a.tif")
    assert code == 0, err
    result = tifffile.imread(tmp_path / "out" / "a.tif")
    assert result.dtype == np.uint16
    before, after = (np.mean((each - clean) ** 2) for each in (image, result))
    assert after < before / 4


def test_a_range_of_values_may_be_given(capfd, tmp_path):
    """Counts with an offset, none of them dark: percentiles would take the darkest for no light."""
    counts = 300 + 100 * photograph("cat", 1)[:128, :128, 0] / 255
    image = np.random.RandomState(0).poisson(counts).astype("uint16") + np.uint16(100)
    tifffile.imwrite(tmp_path / "a.tif", image)
    flags = ["--noise_model=poisson", "--model=gauss-mono", "--value_range=100,600"]
    code, _, err = run(capfd, "denoise", f"--output={tmp_path / 'out'}", *flags, tmp_path / "a.tif")
    assert code == 0, err
    model = ssdn_keras.load("gauss-mono", noise_model="poisson")
    expected = 100 + 500 * model.denoise(((image - 100.0) / 500).astype("float32"))
    np.testing.assert_allclose(tifffile.imread(tmp_path / "out" / "a.tif"), expected, atol=0.51)
    found = 1 / np.mean(model.restore(((image - 100.0) / 500).astype("float32")[..., None])["noise_std"] ** 2)
    assert found == pytest.approx(500**2 / counts.mean(), rel=0.1)
    output = f"--output={tmp_path / 'x'}"
    own = ssdn_keras.Denoiser("gauss25", channels=1, filters=4, value_range=(0, 1000))
    own.save(tmp_path / "own.keras")
    for given in (None, (100, 600)):
        denoise_file(tmp_path / "a.tif", tmp_path / f"{given}.tif", own, value_range=given)
    np.testing.assert_array_equal(*(tifffile.imread(tmp_path / f"{given}.tif") for given in (None, (100, 600))))
    flags = [f"--model={tmp_path / 'own.keras'}", "--value_range=100,600"]
    fails(capfd, 2, "this model has a range of values of its own", "denoise", output, *flags, tmp_path / "a.tif")
    fails(capfd, 2, "two file values LOW,HIGH", "denoise", output, "--value_range=9,3", tmp_path / "a.tif")
    fails(
        capfd, 2, "leave --value_range out", "denoise", output, "--algorithm=nlm", "--value_range=dtype",
        tmp_path / "a.tif",
    )  # fmt: skip


def test_by_name_a_network_does_the_same_as_by_default(capfd, tmp_path):
    image = 100 + 3900.0 * photograph("cat", 1)[:64, :64, 0] / 255
    tifffile.imwrite(tmp_path / "a.tif", np.rint(image).astype("uint16"))
    for output, flags in (("default", []), ("named", ["--model=gauss-mono"])):
        assert run(capfd, "denoise", f"--output={tmp_path / output}", *flags, tmp_path / "a.tif")[0] == 0
    named, default = (tifffile.imread(tmp_path / output / "a.tif") for output in ("named", "default"))
    np.testing.assert_array_equal(named, default)


def test_bfloat16_gives_nearly_the_same(capfd, tmp_path):
    clean = photograph("cat", 3)
    Image.fromarray(metrics.to_uint8(noisy(clean, 25))).save(tmp_path / "a.png")
    results = {}
    for precision in ("float32", "mixed_bfloat16"):
        output = tmp_path / precision
        assert run(capfd, "denoise", f"--precision={precision}", f"--output={output}", tmp_path / "a.png")[0] == 0
        results[precision] = np.asarray(Image.open(output / "a.png")).astype("float64")
    exact, fast = results.values()
    assert 0 < np.sqrt(np.mean((fast - exact) ** 2)) < 0.7 and np.abs(fast - exact).max() <= 5
    assert abs(metrics.psnr(clean, fast.astype("uint8")) - metrics.psnr(clean, exact.astype("uint8"))) < 0.05
    classical = ["--algorithm=nlm", "--precision=mixed_bfloat16", f"--output={tmp_path}/x", tmp_path / "a.png"]
    fails(capfd, 2, "--precision goes with a model", "denoise", *classical)
    fails(
        capfd, 2, "--precision goes with --model", "evaluate", *classical[:-1], "--noise=gauss25", f"--data={tmp_path}"
    )


def test_classical_methods_keep_the_units_of_files(capfd, tmp_path):
    clean = 100 + 3900.0 * photograph("cat", 1)[:128, :128, 0] / 255
    image = np.rint(clean + np.random.RandomState(0).normal(0, 300, clean.shape)).clip(0).astype("uint16")
    tifffile.imwrite(tmp_path / "a.tif", image)
    output = tmp_path / "out"
    flags = ["--algorithm=nlm", "--noise_level=300", f"--output={output}"]
    assert run(capfd, "denoise", *flags, tmp_path / "a.tif")[0] == 0
    expected = ssdn_keras.ClassicalDenoiser("nlm").denoise(image[..., None], 300 * 255 / 65535)
    np.testing.assert_array_equal(tifffile.imread(output / "a.tif"), expected[..., 0])


def test_the_command_refuses_a_kind_of_noise_that_would_be_ignored(capfd, tmp_path):
    Image.fromarray(photograph("cat", 3)).save(tmp_path / "a.png")
    output = f"--output={tmp_path / 'out'}"
    fails(capfd, 2, "--noise goes with --algorithm", "denoise", "--noise=poisson", output, tmp_path / "a.png")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("half") / "x.keras"
    model = ssdn_keras.Denoiser("gauss25", filters=8)
    model.save(path)
    return model, path


def test_half_precision_is_half_the_file(plain, tmp_path):
    model, path = plain
    halved = write_half(model, tmp_path / "half.keras")
    assert (tmp_path / "half.keras").stat().st_size < 0.6 * path.stat().st_size
    for ours, theirs in zip(model.weights, halved.weights, strict=True):
        assert theirs.dtype == "float32"
        np.testing.assert_array_equal(np.asarray(ours).astype("float16"), np.asarray(theirs))
    write_half(model, tmp_path / "again.keras")
    assert (tmp_path / "half.keras").read_bytes() == (tmp_path / "again.keras").read_bytes()


def test_half_precision_refuses_what_does_not_fit(plain, tmp_path):
    model, _ = plain
    model.weights[0].assign(np.full(model.weights[0].shape, 1e6, "float32"))
    with pytest.raises(ValueError, match="too large for 16 bits"):
        write_half(model, tmp_path / "half.keras")
    assert not (tmp_path / "half.keras").exists()


def test_convert_halves(capfd, plain, tmp_path):
    _, path = plain
    code, out, _ = run(capfd, "convert", "--half", path, tmp_path / "half.keras")
    assert code == 0 and out.startswith("wrote ")
    fails(capfd, 2, "go with two .keras files", "convert", path, tmp_path / "x2.keras")
    fails(capfd, 2, "go with two .keras files", "convert", "--half", path, tmp_path / "x.npz")


def test_the_uncertainty_is_honest(network):
    """Clean values within ±1.96 posterior standard deviations: 95 %, in all and in tenths of the standard deviation."""
    clean = np.stack([photograph(name, network.channels) for name in photographs(network.channels)])
    outputs = [network.restore(noisy(image, 25, seed)) for seed, image in enumerate(clean)]
    std = np.stack([each["std"] for each in outputs]).ravel()
    error = np.stack([each["denoised"] for each in outputs]).ravel() - clean.ravel() / 255
    within = np.abs(error) <= 1.96 * std
    assert abs(within.mean() - 0.95) < 0.03
    for tenth in np.array_split(np.argsort(std), 10):
        assert abs(within[tenth].mean() - 0.95) < 0.06
