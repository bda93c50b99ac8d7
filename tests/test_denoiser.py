import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from conftest import smooth_image

import ssdn_keras


@pytest.fixture(scope="module")
def model():
    return ssdn_keras.Denoiser(noise="gauss25")


@pytest.fixture(scope="module")
def mono():
    return ssdn_keras.Denoiser(noise="gauss5_50", channels=1)


@pytest.mark.parametrize("height,width", [(1, 1), (5, 3), (33, 50), (64, 31)])
def test_outputs_of_any_size(model, height, width):
    outputs = model({"noisy": np.random.RandomState(0).rand(2, height, width, 3).astype("float32")})
    assert set(outputs) == {"mean", "denoised", "std", "network_std", "noise_std"}
    for name in ("mean", "denoised", "std"):
        assert outputs[name].shape == (2, height, width, 3)
    for name in ("network_std", "noise_std"):
        assert outputs[name].shape == (2, height, width)
    assert all(np.isfinite(value).all() for value in outputs.values())
    assert (np.array(outputs["std"]) >= 0).all() and (np.array(outputs["std"]) <= 25 / 255 + 1e-4).all()


def test_an_image_gives_the_same_alone_and_in_a_batch(model):
    noisy = np.random.RandomState(1).rand(3, 40, 36, 3).astype("float32")
    batch = np.array(model({"noisy": noisy})["denoised"])
    np.testing.assert_allclose(model({"noisy": noisy[1:2]})["denoised"][0], batch[1], atol=1e-5)


@pytest.mark.parametrize("noise", ["gauss", "poisson", "impulse"])
@pytest.mark.parametrize("parameter", ["known", "global", "per_image"])
@pytest.mark.parametrize("channels,diagonal", [(1, False), (3, True), (2, False)])
def test_every_configuration_computes(noise, parameter, channels, diagonal):
    model = ssdn_keras.Denoiser(noise, parameter, channels, diagonal)
    x = {"noisy": np.random.RandomState(2).rand(2, 9, 17, channels).astype("float32")}
    if parameter == "known":
        x["noise_level"] = np.array([0.1, 0.3], "float32")
    loss = np.array(model.loss_per_pixel(x))
    assert loss.shape == (2, 9, 17) and np.isfinite(loss).all()
    assert np.isfinite(model(x)["denoised"]).all()


def test_estimates_start_where_the_report_found_that_training_converges():
    for parameter in ("global", "per_image"):
        model = ssdn_keras.Denoiser("gauss", parameter)
        outputs = model({"noisy": np.random.rand(1, 32, 32, 3).astype("float32")})
        np.testing.assert_allclose(outputs["noise_std"], np.log1p(np.exp(-4)) + 1e-3, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_denoise_keeps_type_and_shape(model, dtype):
    image = smooth_image(0, 40, 33)
    scale = {"uint8": 1, "uint16": 257}.get(dtype, 1 / 255)
    array = (image.astype("float64") * scale).astype(dtype)
    result = model.denoise(array)
    assert result.dtype == array.dtype and result.shape == array.shape
    reference = model.denoise(image.astype("float64") / 255)
    largest = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    tolerance = {"uint8": 0.51 / 255, "uint16": 1e-5, "float16": 2e-3}.get(dtype, 1e-5)
    np.testing.assert_allclose(
        np.clip(result.astype("float64") / largest, 0, 1), np.clip(reference, 0, 1), atol=tolerance
    )


def test_denoise_takes_every_documented_shape(mono, model):
    image = smooth_image(1, 24, 40, channels=1)
    flat = mono.denoise(image, noise_level=25)
    assert flat.shape == (24, 40)
    np.testing.assert_array_equal(mono.denoise(image[..., None], noise_level=25)[..., 0], flat)
    stack = np.stack([image, image[::-1]])[..., None]
    result = mono.denoise(stack, noise_level=[25, 10])
    np.testing.assert_array_equal(result[0, ..., 0], flat)
    np.testing.assert_array_equal(result[1, ..., 0], mono.denoise(image[::-1], noise_level=10))
    assert model.denoise(np.zeros((2, 16, 20, 3), "uint8")).shape == (2, 16, 20, 3)


def test_denoise_respects_the_range_of_floats(model):
    image = smooth_image(2, 32, 32).astype("float32")
    result = model.denoise(image, data_range=255)
    np.testing.assert_allclose(result / 255, model.denoise(image / 255), atol=1e-5)


@pytest.mark.parametrize("array,message", [
    (np.full((8, 8, 3), np.nan, "float32"), "NaN"),
    (np.full((8, 8, 3), np.inf), "NaN or infinite"),
    (np.zeros((8, 8), "uint8"), "H×W×3"),
    (np.zeros((8, 8, 4), "uint8"), "H×W×3"),
    (np.zeros((8, 8, 3), "int32"), "int32"),
    (np.zeros((0, 8, 3), "uint8"), "empty"),
])  # fmt: skip
def test_denoise_refuses(model, array, message):
    with pytest.raises(ValueError, match=message):
        model.denoise(array)


def test_noise_level_is_asked_for_and_checked(mono, model):
    with pytest.raises(ValueError, match="give noise_level"):
        mono.denoise(np.zeros((8, 8), "uint8"))
    for level in (-1, np.nan, 300):
        with pytest.raises(ValueError, match="noise_level must be"):
            model.denoise(np.zeros((8, 8, 3), "uint8"), noise_level=level)
    with pytest.raises(ValueError, match="2 values for 1 images"):
        model.denoise(np.zeros((8, 8, 3), "uint8"), noise_level=[1, 2])
    with pytest.raises(ValueError, match="3 values for 2 images"):
        mono({"noisy": np.zeros((2, 8, 8, 1), "float32"), "noise_level": np.zeros(3, "float32")})
    blind = ssdn_keras.Denoiser("gauss", "global")
    with pytest.raises(ValueError, match="leave noise_level out"):
        blind.denoise(np.zeros((8, 8, 3), "uint8"), noise_level=25)


@pytest.mark.parametrize("arguments,message", [
    ({"noise": "gaus25"}, "did you mean gauss25"),
    ({"noise_parameter": "globall"}, "did you mean global"),
    ({"algorithm": "n2x"}, "algorithm must be one of"),
    ({"channels": 0}, "channels"),
    ({"blindspot_size": 2}, "blindspot_size"),
    ({"noise_range": (50, 5)}, "wrong way round"),
])  # fmt: skip
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ssdn_keras.Denoiser(**arguments)


@pytest.mark.parametrize("arguments", [
    {"noise": "gauss25"},
    {"noise": "poisson5_50", "noise_parameter": "per_image", "channels": 1},
    {"noise": "impulse", "noise_parameter": "global", "diagonal_covariance": True, "blindspot_size": 3},
    {"algorithm": "n2c"},
])  # fmt: skip
def test_saved_models_come_back(tmp_path, arguments):
    model = ssdn_keras.Denoiser(**arguments)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.01)
    model.save(tmp_path / "x.keras")
    x = {"noisy": np.random.rand(1, 20, 24, model.channels).astype("float32")}
    for copy in (ssdn_keras.load(tmp_path / "x.keras"), keras.saving.load_model(tmp_path / "x.keras")):
        ours, theirs = model.get_config(), copy.get_config()
        assert ours == theirs and str(copy.noise) == str(model.noise)
        np.testing.assert_array_equal(copy(x)["denoised"], model(x)["denoised"])


def test_a_trained_model_comes_back_and_goes_on(tmp_path):
    model = ssdn_keras.Denoiser("gauss25", channels=1)
    model.compile()
    x = {"noisy": np.random.rand(2, 32, 32, 1).astype("float32")}
    model.fit(x, epochs=2, batch_size=1, verbose=0)
    model.save(tmp_path / "x.keras")
    copy = ssdn_keras.load(tmp_path / "x.keras")
    np.testing.assert_array_equal(copy(x)["denoised"], model(x)["denoised"])
    copy.compile()
    copy.fit(x, batch_size=2, verbose=0)


def rewrite(source, target, change):
    """Copy a .keras file with another config or other weights."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def test_files_that_are_not_models_of_ours(tmp_path, model):
    good = tmp_path / "good.keras"
    model.save(good)

    with pytest.raises(FileNotFoundError, match="no such model"):
        ssdn_keras.load(tmp_path / "absent.keras")
    bad = tmp_path / "bad.keras"
    bad.write_bytes(b"hello")
    with pytest.raises(ValueError, match="not a .keras model file"):
        ssdn_keras.load(bad)
    bad.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    with pytest.raises(ValueError, match="damaged"):
        ssdn_keras.load(bad)
    rewrite(good, bad, lambda name, data: data[:1000] if name.endswith(".h5") else data)
    with pytest.raises(ValueError, match="weights are damaged"):
        ssdn_keras.load(bad)
    other = ssdn_keras.Denoiser("gauss25", channels=1)
    other.save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as archive:
        weights = archive.read("model.weights.h5")
    rewrite(good, bad, lambda name, data: weights if name.endswith(".h5") else data)
    with pytest.raises(ValueError, match="do not fit"):
        ssdn_keras.load(bad)
    keras.Sequential([keras.layers.Dense(1)]).save(bad)
    with pytest.raises(ValueError, match="'Sequential' and not of ssdn_keras"):
        ssdn_keras.load(bad)


def test_a_model_file_cannot_run_code(tmp_path, model):
    """Settings that name other code are refused or ignored; a canary would appear if any of it ran."""
    good, bad, canary = tmp_path / "good.keras", tmp_path / "bad.keras", tmp_path / "canary"
    model.save(good)
    attack = {
        "module": "os", "class_name": "system", "registered_name": None, "config": {"command": f"touch {canary}"},
    }  # fmt: skip

    def with_settings(**settings):
        def change(name, data):
            if name != "config.json":
                return data
            record = json.loads(data)
            record["config"].update(settings)
            record["compile_config"] = attack
            return json.dumps(record)

        return change

    for settings in ({"dtype": attack}, {"name": attack}, {"noise": attack}, {"channels": attack}, {"extra": attack},
                     {"channels": 10**9}, {"noise_range": attack}):  # fmt: skip
        rewrite(good, bad, with_settings(**settings))
        if set(settings) & {"dtype", "extra"}:
            ssdn_keras.load(bad)
        else:
            with pytest.raises(ValueError, match="cannot read"):
                ssdn_keras.load(bad)
    rewrite(good, bad, lambda name, data: json.dumps(attack) if name == "config.json" else data)
    with pytest.raises(ValueError, match="not of ssdn_keras"):
        ssdn_keras.load(bad)
    assert not canary.exists()


def test_a_file_of_a_newer_version_is_refused(tmp_path, model):
    model.save(tmp_path / "good.keras")
    newer = '"version": "99.0"'

    def change(name, data):
        old = f'"version": "{ssdn_keras.__version__}"'
        return data.decode().replace(old, newer) if name == "config.json" else data

    rewrite(tmp_path / "good.keras", tmp_path / "new.keras", change)
    with pytest.raises(ValueError, match="upgrade the package"):
        ssdn_keras.load(tmp_path / "new.keras")


def test_plain_numbers_and_lists_serve_as_noise_levels(mono):
    noisy = np.random.rand(2, 8, 8, 1).astype("float32")
    expected = mono({"noisy": noisy, "noise_level": np.full(2, 0.1, "float32")})["denoised"]
    for level in (0.1, [0.1, 0.1]):
        np.testing.assert_array_equal(mono({"noisy": noisy, "noise_level": level})["denoised"], expected)


def test_a_model_file_cannot_read_other_files(tmp_path, model):
    good, bad, weights = tmp_path / "good.keras", tmp_path / "bad.keras", tmp_path / "w.h5"
    model.save(good)
    with zipfile.ZipFile(good) as archive:
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        file["stolen"] = h5py.ExternalLink("/etc/passwd", "/")
    rewrite(good, bad, lambda name, data: weights.read_bytes() if name.endswith(".h5") else data)
    with pytest.raises(ValueError, match="refers to other files"):
        ssdn_keras.load(bad)


def test_a_file_can_be_computed_in_another_precision(tmp_path):
    keras.utils.set_random_seed(0)
    model = ssdn_keras.Denoiser(noise="gauss25", channels=1)
    model.save(tmp_path / "x.keras")
    half = ssdn_keras.load(tmp_path / "x.keras", "mixed_bfloat16")
    noisy = np.random.RandomState(0).rand(1, 32, 32, 1).astype("float32")
    expected, actual = (np.array(m({"noisy": noisy})["denoised"]) for m in (model, half))
    assert half.network.compute_dtype == "bfloat16"
    # On average: how far single pixels go, up to 0.15 where the prior is wide, depends on the weights that were drawn.
    assert 0 < np.abs(actual - expected).mean() < 0.02


def test_networks_of_other_widths(tmp_path):
    model = ssdn_keras.Denoiser("gauss", "per_image", filters=8, estimator_filters=4)
    shapes = {name: tuple(layer.kernel.shape) for name, layer in model.network.convolutions().items()}
    assert shapes["enc_conv0"] == (3, 3, 3, 8) and shapes["dec_conv1b"] == (3, 3, 16, 16)
    assert shapes["nin_a"] == (1, 1, 64, 64) and shapes["nin_c"][2] == 16
    assert tuple(model.estimator.convolutions()["enc_conv1"].kernel.shape) == (3, 3, 4, 4)
    noisy = np.random.RandomState(0).rand(1, 40, 33, 3).astype("float32")
    model.save(tmp_path / "narrow.keras")
    loaded = ssdn_keras.load(tmp_path / "narrow.keras")
    assert loaded.count_params() == model.count_params()
    np.testing.assert_array_equal(loaded({"noisy": noisy})["denoised"], model({"noisy": noisy})["denoised"])


def test_the_published_width_is_the_default():
    assert ssdn_keras.Denoiser().count_params() == 1_269_129
    assert ssdn_keras.Denoiser(filters=12, noise_parameter="per_image").estimator_filters == 12


@pytest.mark.parametrize("name", ["filters", "estimator_filters"])
@pytest.mark.parametrize("value", [-1, 2000, 1.5, True])
def test_a_wrong_width_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be from 1 to 1024. Received: {name}={value}"):
        ssdn_keras.Denoiser(**{name: value})
