"""The level of noise under which an image is most likely, and denoisers that take it."""

import itertools

import keras
import numpy as np
import pytest
from command_line import fails, run
from conftest import smooth_image
from keras import ops
from PIL import Image

import ssdn_keras
from ssdn_keras.model import apply, tiling
from ssdn_keras.noise import likelihood, parse_noise
from ssdn_keras.noise.gaussian import Gaussian
from ssdn_keras.noise.sampling import NumpyRandom

NOISES = ["gauss0.5", "gauss3", "gauss25", "gauss75", "gauss200", "poisson1", "poisson30", "poisson500", "impulse10",
          "impulse90", "gauss3-clipped", "gauss75-clipped", "poisson30-clipped"]  # fmt: skip


def drawn(spec, channels, pixels, spread, seed=0):
    """Noisy pixels whose clean values come from the prior that is given: (noisy, mean, columns of its factor)."""
    random = np.random.RandomState(seed)
    mean = random.uniform(0.2, 0.8, (1, pixels, 1, channels)).astype("float32")
    factor = np.triu(random.normal(0, spread, (1, pixels, 1, channels, channels)))
    factor = (factor * random.uniform(0.05, 2, (1, pixels, 1, 1, 1))).astype("float32")
    clean = mean + np.einsum("...ij,...j->...i", factor, random.normal(size=mean.shape))
    clean = np.clip(clean, 0, 1).astype("float32")
    noisy = spec.model.corrupt(clean, np.float32(spec.parameters[0]), NumpyRandom(seed, 1)).astype("float32")
    columns = [ops.convert_to_tensor(np.stack([factor[..., i, j] for i in range(j + 1)])) for j in range(channels)]
    return noisy, mean, columns


def level(spec, noisy, mean, columns):
    images = map(ops.convert_to_tensor, (noisy, mean))
    found = ops.convert_to_numpy(likelihood.most_likely(spec.model, *images, columns))
    return spec.level_from_estimate(found).ravel()


@pytest.mark.parametrize("name,channels", list(itertools.product(NOISES, [1, 3])))
def test_the_likeliest_level_is_the_true_one(name, channels):
    spec = parse_noise(name)
    found = level(spec, *drawn(spec, channels, 20_000, 0.02))
    # Of impulses, the likelihood knows only the mean and the variance (paper, section 3.5).
    np.testing.assert_allclose(found, spec.levels[0], rtol=0.06 if spec.kind == "impulse" else 0.03)


def test_it_is_at_the_least_of_the_losses():
    spec = parse_noise("gauss25")
    noisy, mean, columns = drawn(spec, 3, 4000, 0.1)

    def loss(sigma):
        strength = np.full((1, 1, 1, 1), sigma / 255, "float32")
        return float(ops.mean(spec.model.loss_per_pixel(noisy, mean, columns, strength, False)))

    found = level(spec, noisy, mean, columns)[0]
    sigmas = found * np.linspace(0.9, 1.1, 41)
    curve = np.polyfit(np.log(sigmas), [loss(sigma) for sigma in sigmas], 2)
    assert np.exp(-curve[1] / (2 * curve[0])) == pytest.approx(found, rel=2e-3)


def test_every_image_has_a_level_of_its_own():
    cases = [drawn(parse_noise(f"gauss{sigma}"), 1, 5000, 0.02, seed) for seed, sigma in enumerate((4, 40))]
    noisy, mean = (np.concatenate([case[i] for case in cases]) for i in (0, 1))
    columns = [ops.concatenate([case[2][0] for case in cases], axis=1)]
    np.testing.assert_allclose(level(parse_noise("gauss"), noisy, mean, columns), [4, 40], rtol=0.05)


def test_without_noise_it_is_the_smallest_and_beyond_all_the_largest():
    spec = parse_noise("gauss")
    _, mean, columns = drawn(parse_noise("gauss25"), 1, 5000, 0.02)
    smallest, largest = (each * 255 for each in spec.model.strengths)
    np.testing.assert_allclose(level(spec, mean, mean, columns), smallest, rtol=1e-5)
    far = mean + 9 * np.random.RandomState(0).normal(size=mean.shape).astype("float32")
    np.testing.assert_allclose(level(spec, far, mean, columns), largest, rtol=1e-5)


@pytest.mark.parametrize("height,width", [(1, 1), (2, 700), (31, 47), (300, 211), (2000, 1500), (30_000, 90_000)])
def test_samples_are_spread_over_the_image(height, width):
    rows, columns = (np.asarray(ops.convert_to_numpy(each)) for each in likelihood.samples(height, width))
    assert len(rows) == len(columns) == min(likelihood.SAMPLES, height * width)
    for positions, size in ((rows, height), (columns, width)):
        assert positions.dtype == np.int32 and positions.min() >= 0 and positions.max() < size
        # Every third of the image has its share.
        shares = np.bincount(np.minimum(positions * 3 // size, 2), minlength=3) / len(positions)
        assert size < 30 or np.abs(shares - 1 / 3).max() < 0.04
    distinct = len(set(zip(rows.tolist(), columns.tolist(), strict=True)))
    assert distinct > 0.7 * min(len(rows), height * width) or min(height, width) < 30


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="shapes that are not known are TensorFlow's")
@pytest.mark.parametrize("height,width", [(1, 1), (31, 47), (2000, 1500)])
def test_samples_are_the_same_where_the_shape_is_not_known(height, width):
    import tensorflow as tf

    traced = tf.function(likelihood.samples, input_signature=[tf.TensorSpec((), tf.int32)] * 2)
    for one, other in zip(traced(height, width), likelihood.samples(height, width), strict=True):
        np.testing.assert_array_equal(one, other)


def make(noise="gauss5_50", parameter="maximum_likelihood", filters=4, **settings):
    """A denoiser of random weights whose prior is that the clean value is near the mean of the neighbours."""
    keras.utils.set_random_seed(0)
    model = ssdn_keras.Denoiser(noise, parameter, filters=filters, mean_start="neighbours", **settings)
    layer = model.network.output_layers["nin_c"]
    layer.kernel.assign(0.05 * ops.convert_to_numpy(layer.kernel))
    entries = np.zeros(layer.bias.shape, "float32")
    entries[model.channels :] = 0.03
    layer.bias.assign(entries)
    return model


def picture(height, width, channels, sigma, seed=0):
    side = -(-max(height, width) // 32) * 32
    clean = smooth_image(seed, side, side, channels).reshape(side, side, channels)[:height, :width] / 255
    return (clean + np.random.RandomState(seed).normal(0, sigma / 255, clean.shape)).astype("float32")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_denoiser_takes_the_likeliest_level_unless_it_is_given(channels):
    model, image = make(channels=channels), picture(96, 80, channels, 30)
    outputs = model.predict_images(image[None])
    found = outputs["noise_std"].mean() * 255
    assert found == pytest.approx(30, rel=0.1)
    np.testing.assert_allclose(model.denoise(image), outputs["denoised"][0], atol=1e-6)
    told = make(channels=channels, parameter="known").denoise(image, found)
    np.testing.assert_allclose(model.denoise(image), told, atol=1e-6)
    np.testing.assert_array_equal(model.denoise(image, found), told)
    assert np.abs(model.denoise(image, 5) - told).max() > 0.01


def test_of_several_images_each_has_its_own():
    model = make(channels=1)
    images = np.stack([picture(64, 64, 1, sigma) for sigma in (10, 40)])
    found = np.array(model({"noisy": images})["noise_std"]).mean(axis=(1, 2)) * 255
    each = [np.array(model({"noisy": image[None]})["noise_std"]).mean() * 255 for image in images]
    np.testing.assert_allclose(found, each, rtol=1e-3)
    assert found[1] > 2.5 * found[0]


def test_a_training_is_that_of_a_model_that_is_told():
    images, results = np.stack([picture(64, 64, 1, 20, seed) for seed in range(2)]), []
    for parameter in ("maximum_likelihood", "known"):
        model = make(channels=1, parameter=parameter)
        model.compile(keras.optimizers.Adam(1e-3))
        results.append(model.train_on_batch({"noisy": images, "noise_level": np.float32([20 / 255, 20 / 255])}))
        results.append(ops.convert_to_numpy(model.network.output_layers["nin_c"].bias))
    assert results[0] == pytest.approx(results[2]) and not model.estimator
    np.testing.assert_array_equal(results[1], results[3])


def test_a_training_must_be_told():
    model = make(channels=1)
    with pytest.raises(ValueError, match="in training is known and varies: give noise_level"):
        model.loss_per_pixel({"noisy": picture(32, 32, 1, 20)[None]})
    assert make("gauss20", channels=1).loss_per_pixel({"noisy": picture(32, 32, 1, 20)[None]}).shape == (1, 32, 32)


def test_two_numbers_are_not_sought(tmp_path):
    for noise in ("poisson_gauss", "poisson_gauss2+5-clipped"):
        with pytest.raises(ValueError, match="is not for poisson_gauss noise: use per_image"):
            ssdn_keras.Denoiser(noise, "maximum_likelihood", filters=4)
    path = tmp_path / "counts.keras"
    ssdn_keras.Denoiser("poisson_gauss1_2+5", "known", channels=1, filters=4).save(path)
    with pytest.raises(ValueError, match=r"counts\.keras: .* is not for poisson_gauss noise"):
        ssdn_keras.load(path, noise_parameter="maximum_likelihood")


def test_a_noise_model_that_names_no_strengths_is_refused(monkeypatch):
    """As one that a user wrote."""
    monkeypatch.delattr(Gaussian, "strengths")
    with pytest.raises(ValueError, match="is not for gauss noise"):
        ssdn_keras.Denoiser("gauss25", "maximum_likelihood", filters=4)


def tiled(model, image, tile, **options):
    results = [np.zeros(image.shape, "float32") for _ in range(2)]
    apply.denoise_page(model, image, *results, tile=tile, **options)
    return results


@pytest.mark.parametrize("kept, again", [(0.1, 0), (0, 9)])
def test_tiles_find_the_same_and_compute_no_more_than_they_need(monkeypatch, kept, again):
    monkeypatch.setattr(likelihood, "WINDOW", 8)
    monkeypatch.setattr(tiling, "_KEPT", kept)
    model, image = make(channels=1), picture(220, 300, 1, 30)
    looked_at, told = [], []
    features = tiling._Tiled.features

    def counted(self, network, rows, columns):
        looked_at.append((rows.start, columns.start))
        return features(self, network, rows, columns)

    monkeypatch.setattr(tiling._Tiled, "features", counted)
    for ours, whole in zip(tiled(model, image, 64, progress=told.append), tiled(model, image, None), strict=True):
        np.testing.assert_allclose(ours, whole, atol=1e-5)
    assert sum(told) == pytest.approx(image.size)
    places = set(looked_at)
    # Nine windows of 8 pixels, each inside a tile of 64, whose outputs are kept where there is room for them.
    assert len(looked_at) - len(places) == again and 9 < len(places)
    # The first pass looks at those alone.
    assert len(set(looked_at[:9])) == 9
    looked_at.clear()
    tiled(model, image, 64, parameter=np.float32([30 / 255]))
    assert len(looked_at) == len(places)


def test_other_models_are_loaded_as_such(tmp_path):
    image = picture(64, 64, 1, 30)
    for parameter in ("known", "per_image", "global"):
        path = tmp_path / f"{parameter}.keras"
        made = make(channels=1, parameter=parameter)
        made.save(path)
        model = ssdn_keras.load(path, noise_parameter="maximum_likelihood")
        assert model.noise_parameter == "maximum_likelihood" and model.estimator is None
        np.testing.assert_allclose(model.denoise(image), make(channels=1).denoise(image), atol=1e-6)
        model.save(tmp_path / "again.keras")
        again = ssdn_keras.load(tmp_path / "again.keras")
        np.testing.assert_array_equal(again.denoise(image), model.denoise(image))
        told = ssdn_keras.load(tmp_path / "again.keras", noise_parameter="known")
        with pytest.raises(ValueError, match="give noise_level"):
            told.denoise(image)
    with pytest.raises(ValueError, match=r"again\.keras: noise_parameter must be one of known, maximum_likelihood"):
        ssdn_keras.load(tmp_path / "again.keras", noise_parameter="global")
    ssdn_keras.Denoiser("gauss25", algorithm="n2c", channels=1, filters=4).save(tmp_path / "n2c.keras")
    with pytest.raises(ValueError, match=r"n2c\.keras: n2c has no noise model"):
        ssdn_keras.load(tmp_path / "n2c.keras", noise_parameter="maximum_likelihood")


def test_a_network_takes_another_noise_model(tmp_path):
    path, clean = tmp_path / "gauss.keras", np.full((96, 96, 1), 0.5, "float32")
    make(channels=1).save(path)
    noisy = parse_noise("poisson40").model.corrupt(clean, np.float32(40), NumpyRandom(0)).astype("float32")
    model = ssdn_keras.load(path, noise_model="poisson")
    outputs = model.restore(noisy)
    assert (model.noise.kind, model.noise_parameter, model.noise.levels) == ("poisson", "maximum_likelihood", None)
    # The mean that it starts from is that of eight noisy neighbours: its own noise is taken for the pixel's, too.
    assert float(np.mean(outputs["noise_std"])) == pytest.approx((0.5 / 40) ** 0.5, rel=0.1)
    expected = make("poisson", channels=1).denoise(noisy)
    np.testing.assert_array_equal(model.denoise(noisy), expected)
    told = ssdn_keras.load(path, noise_model="poisson", noise_parameter="known")
    assert np.abs(told.denoise(noisy, 40) - expected).max() < 0.05
    make(channels=1, parameter="per_image").save(path)
    with pytest.raises(ValueError, match=r"gauss\.keras: noise_parameter must be one of known, maximum_likelihood"):
        ssdn_keras.load(path, noise_model="poisson")
    with pytest.raises(ValueError, match="noise_model must be one of gauss, poisson"):
        ssdn_keras.load(path, noise_model="impulse")
    for clipped in (True, (0, 4095)):
        span = None if clipped is True else (0, 4095)
        make("gauss25", "known", channels=1, clipped=clipped, value_range=span).save(path)
        other = ssdn_keras.load(path, noise_model="poisson")
        assert other.noise.model.name == "poisson-clipped" and other.clipped == (None if clipped is True else clipped)
        assert other.noise.model.limits == ssdn_keras.load(path).noise.model.limits
        assert ssdn_keras.load(path, noise_model="gauss").noise.is_clipped
    make("impulse50", channels=1).save(path)
    with pytest.raises(ValueError, match="the noise of a model that gets another must be one of gauss, poisson"):
        ssdn_keras.load(path, noise_model="gauss")


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """File of a model that was told the level, and that of a noisy image."""
    folder = tmp_path_factory.mktemp("known")
    make(channels=1, parameter="known").save(folder / "known.keras")
    noisy = np.rint(255 * picture(64, 64, 1, 30)).clip(0, 255).astype("uint8")
    Image.fromarray(noisy[..., 0]).save(folder / "a.png")
    return folder


def test_denoise_finds_the_level_for_a_model_that_was_told(capfd, known, tmp_path):
    model, image = known / "known.keras", known / "a.png"
    fails(capfd, 2, "or give --noise_parameter=maximum_likelihood", "denoise", f"--model={model}", image)
    output = f"--output={tmp_path / 'out'}"
    code, _, err = run(capfd, "denoise", f"--model={model}", "--noise_parameter=maximum_likelihood", output, image)
    assert code == 0, err
    expected = ssdn_keras.load(model, noise_parameter="maximum_likelihood").denoise(np.asarray(Image.open(image)))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), expected)
    fails(capfd, 2, "--noise_parameter goes with --model", "denoise", "--noise_parameter=known", output, image)
    fails(
        capfd, 2, "--noise_parameter goes with a model", "denoise", "--algorithm=nlm", "--noise_parameter=known", image
    )


def test_a_network_of_the_package_may_be_told_the_level(capfd, known, tmp_path):
    results = []
    for index, flags in enumerate(([], ["--noise_level=30"], ["--noise_level=5"])):
        code, _, err = run(capfd, "denoise", *flags, f"--output={tmp_path / str(index)}", known / "a.png")
        assert code == 0 and err.count("non-commercial") == 1, err  # one network alone is loaded
        results.append(np.asarray(Image.open(tmp_path / str(index) / "a.png")).astype(int))
    assert np.abs(results[1] - results[0]).mean() < 1 < np.abs(results[2] - results[0]).mean()
    for level, message in (("300", "noise_level must be"), ("2+5", "is one number")):
        fails(capfd, 2, message, "denoise", f"--noise_level={level}", f"--output={tmp_path / 'x'}", known / "a.png")
    assert not (tmp_path / "x").exists()


def test_evaluate_reports_what_was_found(capfd, known, tmp_path):
    for parameter, reported in (("maximum_likelihood", True), ("known", False)):
        code, out, err = run(
            capfd, "evaluate", f"--model={known / 'known.keras'}", f"--noise_parameter={parameter}", "--noise=gauss30",
            f"--data={known}", f"--output={tmp_path / parameter}",
        )  # fmt: skip
        assert code == 0 and ("estimated noise level" in out) == reported, (out, err)
    fails(
        capfd, 2, "--noise_parameter goes with --model", "evaluate", "--algorithm=nlm", "--noise=gauss30",
        "--noise_parameter=known", f"--data={known}", f"--output={tmp_path}",
    )  # fmt: skip


def test_convert_makes_a_model_that_finds_the_level(capfd, known, tmp_path):
    made = tmp_path / "made.keras"
    for flags, size in ((["--noise_parameter=maximum_likelihood"], 1.1), (["--half"], 0.75)):
        arguments = ["--noise_parameter=maximum_likelihood", *flags, "--overwrite", known / "known.keras", made]
        code, out, err = run(capfd, "convert", *arguments)
        assert code == 0 and "noise parameter maximum_likelihood" in out, err
        assert ssdn_keras.load(made).seeks_level
        assert made.stat().st_size < size * (known / "known.keras").stat().st_size
    for flag in ("--noise_parameter=known", "--noise_model=poisson"):
        fails(capfd, 2, "two .keras files", "convert", flag, made, tmp_path / "x.npz")
    code, out, err = run(capfd, "convert", "--noise_model=poisson", made, tmp_path / "counts.keras")
    assert code == 0 and "poisson noise of unknown level" in out, err


def test_commands_take_another_noise_model(capfd, known, tmp_path):
    model, image, output = known / "known.keras", known / "a.png", f"--output={tmp_path / 'out'}"
    flags = ["--noise_parameter=maximum_likelihood", "--noise_model=poisson"]
    code, _, err = run(capfd, "denoise", f"--model={model}", *flags, output, image)
    assert code == 0, err
    expected = ssdn_keras.load(model, noise_parameter="maximum_likelihood", noise_model="poisson")
    result = np.asarray(Image.open(tmp_path / "out" / "a.png"))
    np.testing.assert_array_equal(result, expected.denoise(np.asarray(Image.open(image))))
    code, out, err = run(
        capfd, "evaluate", f"--model={model}", *flags, "--noise=poisson30", f"--data={known}", output
    )  # fmt: skip
    assert code == 0 and "estimated noise level" in out and "λ" in out, err
    fails(
        capfd, 2, "--noise_model=poisson makes it take that", "evaluate", f"--model={model}", "--noise=poisson30",
        f"--data={known}", output,
    )  # fmt: skip
    code, _, err = run(capfd, "denoise", "--noise_model=poisson", "--overwrite", output, image)
    assert code == 0, err
    shipped = ssdn_keras.load("gauss-mono", noise_model="poisson").denoise(np.asarray(Image.open(image)))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), shipped)
    fails(capfd, 2, "--noise_model goes with a model", "denoise", "--algorithm=nlm", "--noise_model=poisson", image)


def test_clipping_is_put_in_place(tmp_path):
    """The network stays, the level is kept where there is one, and the level that is found is that of the noise."""
    image = np.rint(255 * picture(96, 96, 1, 100).clip(0, 1)) / np.float32(255)
    make(channels=1).save(tmp_path / "found.keras")
    clipped = ssdn_keras.load(tmp_path / "found.keras", noise_model="gauss-clipped")
    assert clipped.noise.is_clipped and clipped.noise_parameter == "maximum_likelihood"
    assert ssdn_keras.load(tmp_path / "found.keras", noise_model="poisson-clipped").noise.kind == "poisson"
    plain, found = (
        float(model.restore(image)["noise_std"].mean())
        for model in (ssdn_keras.load(tmp_path / "found.keras"), clipped)
    )
    assert plain < found
    ssdn_keras.Denoiser("gauss25", channels=1, filters=4).save(tmp_path / "told.keras")
    assert str(ssdn_keras.load(tmp_path / "told.keras", noise_model="gauss-clipped").noise) == "gauss25-clipped"
    ssdn_keras.Denoiser("gauss", "maximum_likelihood", channels=1, filters=4, value_range=(0, 4000)).save(
        tmp_path / "range.keras"
    )
    with pytest.raises(ValueError, match="has a range of values of its own"):
        ssdn_keras.load(tmp_path / "range.keras", noise_model="gauss-clipped")
    with pytest.raises(ValueError, match="noise_model must be one of.*did you mean gauss-clipped"):
        ssdn_keras.load(tmp_path / "found.keras", noise_model="gaus-clipped")


@pytest.mark.parametrize("noise", ["gauss5_50", "gauss25"])
def test_the_command_trains_one(capfd, tmp_path, noise):
    for index in range(2):
        clean = smooth_image(index, 64, 64, 3)
        Image.fromarray(clean.astype("uint8").reshape(64, 64, 3)).save(tmp_path / f"{index}.png")
    flags = ["--noise_parameter=maximum_likelihood", f"--noise={noise}", "--filters=4", "--images=4", "--minibatch=2",
             "--crop=32", "--mean_start=neighbours", f"--run_dir={tmp_path / 'run'}"]  # fmt: skip
    code, _, err = run(capfd, "train", *flags, f"--train_clean={tmp_path}", f"--val_clean={tmp_path}")
    assert code == 0, err
    model = ssdn_keras.load(tmp_path / "run" / "final.keras")
    assert model.seeks_level and model.denoise(np.zeros((40, 40, 3), "float32")).shape == (40, 40, 3)
    assert "val_noise_level" in (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]


def test_noisy_images_of_varying_levels_cannot_train_one(capfd, tmp_path):
    fails(
        capfd, 2, "the level of each image is not known", "train", "--noise_parameter=maximum_likelihood",
        "--noise=gauss5_50", f"--train_noisy={tmp_path}", "--run_dir=r",
    )  # fmt: skip
    fails(
        capfd, 2, "is not for poisson_gauss noise", "train", "--noise_parameter=maximum_likelihood",
        "--noise=poisson_gauss2+5", f"--train_noisy={tmp_path}", f"--run_dir={tmp_path / 'r'}",
    )  # fmt: skip
