"""What must hold for any shape, type, number of channels and tile size; hypothesis looks for what breaks it."""

import keras
import numpy as np
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ssdn_keras
from ssdn_keras import denoising
from ssdn_keras.data.formats import create_pages, open_pages
from ssdn_keras.model import apply
from ssdn_keras.model.receptive_field import GRID, margins, window, window_of_step
from ssdn_keras.model.tiling import _rotated
from ssdn_keras.value_range import from_network, to_network

DTYPES = st.sampled_from(["uint8", "uint16", "int16", "float16", "float32"])
RANGES = st.one_of(
    st.none(), st.tuples(st.floats(-1000, 1000), st.floats(0.1, 60_000)).map(lambda r: (r[0], r[0] + r[1]))
)
# Files are written to one folder per test, and examples are slow where others use the machine.
FREE = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


def random(shape, dtype, seed=0):
    low, high = (-1.0, 2.0) if np.dtype(dtype).kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return np.random.RandomState(seed).uniform(low, high, shape).astype(dtype)


@settings(max_examples=100, **FREE)
@given(DTYPES, RANGES, st.integers(0, 2**32 - 1))
def test_values_go_to_the_network_and_back(dtype, value_range, seed):
    values = random((5, 7, 2), dtype, seed)
    back = from_network(to_network(values, value_range), dtype, value_range)
    assert back.dtype == values.dtype
    # float32 holds 24 bits of what the network sees.
    seen = np.abs(to_network(values, value_range)).max() * (
        1 if value_range is None else value_range[1] - value_range[0]
    )
    scale = seen * (1 if value_range is not None or values.dtype.kind == "f" else np.iinfo(dtype).max)
    tolerance = 2e-7 * scale + 1e-3 * (dtype == "float16") * np.abs(values.astype("float64")).max()
    tolerance = tolerance if values.dtype.kind == "f" else np.floor(tolerance + 0.5)
    np.testing.assert_allclose(back.astype("float64"), values.astype("float64"), atol=tolerance, rtol=1e-6)


@settings(max_examples=40, **FREE)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40), st.integers(1, 5)),
    dtype=DTYPES,
    tile=st.sampled_from([None, (16, 16), (32, 16)]),
    compression=st.sampled_from([None, "zlib", "lzw"]),
    planar=st.booleans(),
    byteorder=st.sampled_from("<>"),
)
def test_stacks_come_back_as_they_were(tmp_path, shape, dtype, tile, compression, planar, byteorder):
    array, several = random(shape, dtype), shape[-1] > 1
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=byteorder) as file:
        for page in array:
            page = (np.moveaxis(page, -1, 0) if planar else page) if several else page[..., 0]
            config = ("separate" if planar else "contig") if several else None
            file.write(page, photometric="minisblack", planarconfig=config, tile=tile, compression=compression,
                       metadata=None)  # fmt: skip
    with open_pages(tmp_path / "a.tif") as reader, create_pages(tmp_path / "b.tif", reader) as writer:
        assert reader.pages == [(*shape[1:], dtype)] * shape[0]
        for index in range(shape[0]):
            values = reader.read(index).values
            np.testing.assert_array_equal(values, array[index])
            writer.write(index, values)
    with open_pages(tmp_path / "b.tif") as reader:
        assert reader.pages == [(*shape[1:], dtype)] * shape[0]
        for index in range(shape[0]):
            np.testing.assert_array_equal(reader.read(index).values, array[index])


class Same:
    """A denoiser that leaves images as they are."""

    algorithm = None

    def __init__(self, channels, value_range):
        self.channels, self.value_range = channels, value_range

    def level_input(self, noise_level, count):
        return None

    def predict_images(self, noisy, parameter):
        assert noisy.shape[-1] == (self.channels or noisy.shape[-1]) and noisy.dtype == np.float32
        return {"denoised": noisy}


@settings(max_examples=30, **FREE)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 30), st.integers(1, 30)),
    channels=st.sampled_from([1, 2, 3, 4]),
    wanted=st.sampled_from([None, 1, 3]),
    dtype=DTYPES,
    value_range=st.sampled_from([None, (0.0, 4095.0)]),
)
def test_a_denoiser_that_changes_nothing_changes_no_file(tmp_path, shape, channels, wanted, dtype, value_range):
    array = random((*shape, channels), dtype)
    if value_range is not None and dtype == "float16":
        array = array.clip(0, 1)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in array:
            contig = {"planarconfig": "contig"} if channels > 1 else {}
            file.write(page if contig else page[..., 0], photometric="minisblack", metadata=None, **contig)
    denoiser = Same(channels if wanted == 3 and channels not in (1, 3) else wanted, value_range)
    denoising.denoise_file(tmp_path / "a.tif", tmp_path / "b.tif", denoiser)
    with open_pages(tmp_path / "b.tif") as reader:
        for index, page in enumerate(array):
            values = reader.read(index).values
            assert values.dtype == dtype
            step = 1 if value_range is None else 4095 * 2e-7
            np.testing.assert_allclose(values.astype("f8"), page.astype("f8"), atol=0.0 if dtype[0] in "ui" else step,
                                       rtol=2e-3 if dtype == "float16" else 1e-6)  # fmt: skip


@settings(max_examples=300, **FREE)
@given(st.integers(1, 3000), st.data(), st.sampled_from([0, 1, 3, 7]), st.booleans())
def test_windows_hold_what_is_asked_for_and_lie_on_the_grid(size, data, blind, rows):
    first = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(first + 1, size))
    start, end = window(first, stop, size, blind, rows)
    assert 0 <= start <= first < stop <= end <= size and start % GRID == 0
    if not (rows and blind):
        assert end == size or end % GRID == 0
    back, ahead, side = margins(blind)
    assert first - start <= (back if rows else side) + GRID and end - stop <= (ahead if rows else side) + GRID


@settings(max_examples=300, **FREE)
@given(size=st.integers(1, 5000), data=st.data(), blind=st.sampled_from([0, 1, 3, 9]), rows=st.booleans())
def test_windows_of_a_step_hold_what_is_needed_and_have_two_lengths(size, data, blind, rows):
    step = data.draw(st.integers(1, 800))
    first = data.draw(st.integers(0, size - 1))
    stop = min(first + data.draw(st.integers(1, 2 * step)), size)
    start, end = window_of_step(first, stop, size, step, blind, rows)
    least = window(first, stop, size, blind, rows)
    assert 0 <= start <= least[0] and least[1] <= end <= size and start % GRID == 0
    if stop - first > step:
        return
    back, ahead, side = margins(blind)
    back, ahead = (back, ahead) if rows else (side, side)
    step, length = -(-step // GRID) * GRID, -(-(end - start) // GRID) * GRID
    assert (start, end) == (0, size) or length in (step + ahead + GRID * (ahead > 0), step + back + ahead + GRID)


@settings(max_examples=100, **FREE)
@given(st.integers(1, 20), st.integers(1, 20), st.data())
def test_rotated_places(height, width, data):
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    rows, columns = (
        slice(top, data.draw(st.integers(top + 1, height))),
        slice(left, data.draw(st.integers(left + 1, width))),
    )
    image = np.arange(height * width).reshape(height, width)
    for turns in range(4):
        there = np.rot90(image, turns)[_rotated(rows, columns, image.shape, turns)]
        np.testing.assert_array_equal(np.rot90(there, -turns), image[rows, columns])


@settings(max_examples=12, **FREE)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    channels=st.integers(1, 4),
    tile=st.integers(32, 130),
    blindspot_size=st.sampled_from([0, 1, 3]),
    diagonal=st.booleans(),
    dtype=DTYPES,
)
def test_tiled_equals_whole(height, width, channels, tile, blindspot_size, diagonal, dtype):
    """With narrow networks, which depend on as much of the image as wide ones."""
    keras.utils.set_random_seed(0)
    algorithm = {"algorithm": "ssdn", "blindspot_size": blindspot_size} if blindspot_size else {"algorithm": "n2c"}
    value_range = (-3.0, 3.0) if dtype.startswith("f") else None
    model = ssdn_keras.Denoiser(
        "gauss0.5" if value_range else "gauss25",
        channels=channels,
        value_range=value_range,
        diagonal_covariance=diagonal,
        filters=4,
        **algorithm,
    )
    image = random((height, width, channels), dtype)
    tiled, std = np.zeros((2, height, width, channels), "float32")
    std = std if blindspot_size else None
    apply.denoise_page(model, image, tiled, std, value_range=value_range, tile=tile)
    outputs = model({"noisy": to_network(image, value_range)[None]})
    whole = from_network(np.array(outputs["denoised"])[0], "float32", value_range, image.dtype)
    span = 6 if value_range else np.iinfo(dtype).max
    np.testing.assert_allclose(tiled / span, whole / span, atol=3e-5, rtol=1e-5)  # see test_tiling.py
    if std is not None:
        np.testing.assert_allclose(std / span, np.array(outputs["std"])[0], atol=1e-5, rtol=1e-5)
