import keras
import numpy as np
import pytest

import ssdn_keras


def test_shift_conv_is_the_convolution_of_rows_above():
    layer = ssdn_keras.ShiftConv2D(2)
    x = np.random.RandomState(0).randn(1, 6, 5, 3).astype("float32")
    y = np.array(layer(x))
    kernel = np.array(layer.kernel)
    padded = np.pad(x, ((0, 0), (2, 0), (1, 1), (0, 0)))
    for row in range(6):
        for column in range(5):
            window = padded[0, row : row + 3, column : column + 3]
            expected = np.einsum("hwi,hwio->o", window, kernel)
            np.testing.assert_allclose(y[0, row, column], expected, atol=1e-5)


@pytest.mark.parametrize("height", [6, 7])
def test_shift_pool_pools_the_shifted_map(height):
    x = np.random.RandomState(1).randn(2, height, 6, 3).astype("float32")
    shifted = np.concatenate([np.zeros_like(x[:, :1]), x[:, :-1]], axis=1)[:, : height // 2 * 2]
    expected = shifted.reshape(2, height // 2, 2, 3, 2, 3).max(axis=(2, 4))
    layer = ssdn_keras.ShiftPool()
    np.testing.assert_array_equal(layer(x), expected)
    assert layer.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize("layer", [
    ssdn_keras.ShiftConv2D(4), ssdn_keras.ShiftConv2D(4, (5, 3)), ssdn_keras.ShiftPool(),
])  # fmt: skip
@pytest.mark.parametrize("height", [6, 7])
def test_an_input_may_have_its_zeros_already(layer, height):
    x = np.random.RandomState(4).randn(2, height, 6, 3).astype("float32")
    padded = np.pad(x, layer.padding_before)
    np.testing.assert_array_equal(layer(padded, padded=True), layer(x))
    symbolic = layer(keras.Input(padded.shape[1:]), padded=True)
    assert symbolic.shape[1:] == layer(x).shape[1:] == layer(keras.Input(x.shape[1:])).shape[1:]


def test_rotations_are_those_of_numpy():
    x = np.random.RandomState(2).randn(2, 4, 6, 3).astype("float32")
    upright, sideways = ssdn_keras.RotateStack()(x)
    views = [upright[:2], sideways[:2], upright[2:], sideways[2:]]
    for quarter_turns, view in enumerate(views):
        np.testing.assert_array_equal(view, np.rot90(x, quarter_turns, axes=(1, 2)))
    shapes = ssdn_keras.RotateStack().compute_output_shape(x.shape)
    assert shapes == [tuple(upright.shape), tuple(sideways.shape)]


def test_merge_turns_the_views_back_in_order():
    x = np.random.RandomState(3).randn(2, 4, 6, 3).astype("float32")
    merged = ssdn_keras.RotateMerge()(ssdn_keras.RotateStack()(x))
    np.testing.assert_array_equal(merged, np.concatenate([x] * 4, axis=-1))
    marked = [np.stack([np.full((4, 6, 1), v, "float32") for v in (0, 180)]),
              np.stack([np.full((6, 4, 1), v, "float32") for v in (90, 270)])]  # fmt: skip
    np.testing.assert_array_equal(ssdn_keras.RotateMerge()(marked)[0, 0, 0], [0, 90, 180, 270])


@pytest.mark.parametrize("layer", [
    ssdn_keras.ShiftConv2D(4, name="a"), ssdn_keras.ShiftPool(), ssdn_keras.RotateStack(), ssdn_keras.RotateMerge(),
])  # fmt: skip
def test_layers_serialise(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()


def test_layers_work_in_a_functional_model_of_unknown_size():
    inputs = keras.Input((None, None, 3))
    views = [ssdn_keras.ShiftPool()(ssdn_keras.ShiftConv2D(4)(view)) for view in ssdn_keras.RotateStack()(inputs)]
    model = keras.Model(inputs, ssdn_keras.RotateMerge()(views))
    assert model(np.zeros((1, 8, 12, 3), "float32")).shape == (1, 4, 6, 16)


@pytest.mark.parametrize("arguments", [{"kernel_size": 2}, {"strides": 2}, {"dilation_rate": 2}])
def test_unsupported_convolutions_are_refused(arguments):
    with pytest.raises(ValueError, match="ShiftConv2D"):
        ssdn_keras.ShiftConv2D(4, **arguments)
