"""Denoising image files, page by page, into files of the same kind."""

import contextlib
import inspect

import numpy as np

from ssdn_keras.atomic import atomic
from ssdn_keras.choices import MAX_PIXELS
from ssdn_keras.data.formats import create_maps, create_pages, open_pages
from ssdn_keras.data.formats.page import allocate
from ssdn_keras.data.images import ImageError
from ssdn_keras.data.measured_range import LARGEST, range_of
from ssdn_keras.data.sampled import sample_pages
from ssdn_keras.model import apply
from ssdn_keras.value_range import span

# Bytes of an image that are looked at at a time.
_PART = 2**24
# Share of an image at the ends of its range from which they are no sign of noise that was clipped: of a flat black or
# white with noise half are there, of a drawing or a mask nearly all.
_DRAWN = 0.75


def denoise_file(
    source,
    target,
    denoiser,
    noise_level=None,
    std=None,
    output_dtype=None,
    keep_nan=False,
    memory=None,
    max_pixels=MAX_PIXELS,
    progress=None,
    self_ensemble=False,
    measure_range=False,
    value_range=None,
):
    """Denoise one file; alpha, descriptions, resolution and colour profile are kept as they are.

    Args:
        source, target: paths; folders are made. The target is whole or absent.
        denoiser: a `Denoiser` or `ClassicalDenoiser`, or a function that gives one, of the number of channels (three
            that are all equal count as one, since their noise is) and of whether values were clipped and rounded to 8
            bits. One for one channel denoises each channel by itself, one for three takes grey as well.
        noise_level: in the units of the file (σ, or a pair of gain and read noise), or λ, or percent; None where it is
            not needed.
        std: path of a TIFF file for the posterior standard deviation in the units of the file, or None.
        output_dtype: NumPy's name of the type of the results; by default that of the file.
        keep_nan: pass NaN and infinity through instead of refusing them.
        memory: see `Denoiser.denoise`.
        max_pixels: pages with more pixels are refused.
        progress: function (pixels done, pixels in all), called after every tile and page.
        self_ensemble: average over rotations and reflections, see `Denoiser.denoise`.
        measure_range: where the model has no range of values, that of the file becomes 0 and 1, see
            `ssdn_keras.data.measured_range.range_of`.
        value_range: (low, high), the values of the file that become 0 and 1 where the model has no range.

    Raises:
        ImageError, ValueError: the file cannot be read, has other channels, or holds NaN; or the noise level is wrong.
    """
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(open_pages(source, max_pixels))
        if inspect.isfunction(denoiser):
            denoiser = denoiser(_channels(reader), value_range is None and _is_clipped(reader))
        apply.check_std(denoiser, std is not None)
        for shape in reader.pages:
            check_channels(shape.channels, denoiser.channels)
        target.parent.mkdir(parents=True, exist_ok=True)
        writer = stack.enter_context(create_pages(stack.enter_context(atomic(target)), reader, output_dtype))
        maps = None if std is None else stack.enter_context(create_maps(stack.enter_context(atomic(std)), reader))
        counter = _Counter(reader.pages, denoiser.channels == 1, progress)
        denoise = apply.denoise_page_turned if self_ensemble else apply.denoise_page
        ranges = _value_ranges(denoiser, reader, measure_range, value_range)
        options = {"memory": memory}
        for index, shape in enumerate(reader.pages):
            page = reader.read(index)
            results = [allocate(shape[:3], output_dtype or shape.dtype)]
            if maps is not None:
                results.append(allocate(shape[:3], "float32"))
            options["value_range"] = ranges[shape.dtype]
            parameter = denoiser.level_input(nominal_level(denoiser, noise_level, shape.dtype, ranges[shape.dtype]), 1)
            with counter.page(index) as options["progress"]:
                _denoise_page(denoise, denoiser, page.values, results, keep_nan, parameter=parameter, **options)
                writer.write(index, results[0], page.alpha)
                if maps is not None:
                    maps.write(index, results[1])


def _channels(reader):
    """Number of channels of the first page of a file; 1 if the channels of every page are the same."""
    channels = reader.pages[0].channels
    grey = channels > 1 and all(_is_grey(reader.read(index).values) for index in range(len(reader.pages)))
    return 1 if grey else channels


def _is_clipped(reader):
    """Whether the noise of a file of 8 bits can have been clipped, and is not that of a drawing in black and white."""
    if any(np.dtype(shape.dtype) != np.uint8 for shape in reader.pages):
        return False
    values = sample_pages(reader, "uint8")
    return np.isin(values, (0, 255)).mean() <= _DRAWN


def _is_grey(values):
    """Whether all channels of an image are equal."""
    step = max(_PART // max(values[:1].nbytes, 1), 1)
    parts = (values[row : row + step] for row in range(0, len(values), step))
    return all(bool((part[..., 1:] == part[..., :1]).all()) for part in parts)


class _Counter:
    """Tells `progress` how many pixels of a file are done.

    Args:
        pages: list of `PageShape`.
        by_channel: whether each channel of a page is denoised by itself.
        progress: function (pixels done, pixels in all), or None.
    """

    def __init__(self, pages, by_channel, progress):
        self._pixels = [shape.height * shape.width for shape in pages]
        self._passes = [shape.channels if by_channel else 1 for shape in pages]
        self._progress, self._done = progress, 0

    @contextlib.contextmanager
    def page(self, index):
        """For the time that a page takes, a function to call with the number of pixels of each tile that is done."""
        before = self._done
        yield lambda pixels: self._tell(self._done + pixels / self._passes[index])
        self._tell(before + self._pixels[index])

    def _tell(self, done):
        self._done = done
        if self._progress is not None:
            self._progress(done, sum(self._pixels))


def check_channels(found, wanted):
    """Raise ImageError if a denoiser for `wanted` channels cannot denoise an image of `found`."""
    if wanted in (None, 1, found) or (wanted == 3 and found == 1):
        return
    raise ImageError(f"has {found} channels, the model is for {wanted}")


def nominal_level(denoiser, noise_level, dtype, value_range=None):
    """A level in the units of a file as the denoiser wants it: of 0..255 where it has no range of values."""
    if noise_level is None or denoiser.value_range is not None or not denoiser.noise.in_file_units:
        return noise_level
    factor = 255.0 / span(value_range, dtype)
    return tuple(each * factor for each in noise_level) if np.ndim(noise_level) else noise_level * factor


def check_level(denoiser, level, path, value_range=None):
    """Raise ValueError for a level that a file cannot have; each is checked again, since their units may differ.

    Args:
        denoiser: as of `denoise_file`.
        level: in the units of the file.
        path: of the file; one that cannot be read is left for later.
        value_range: as of `denoise_file`.
    """
    if inspect.isfunction(denoiser):
        suited = 1, False
        with contextlib.suppress(ValueError, IndexError, OSError), open_pages(path) as reader:
            suited = _channels(reader), _is_clipped(reader)
        denoiser = denoiser(*suited)
    if np.ndim(level) and not denoiser.noise.parameter_shape:  # as for two images, elsewhere
        given = "+".join(f"{number:g}" for number in level)
        raise ValueError(
            f"noise_level of {denoiser.noise.kind} noise is one number, {denoiser.noise.unit}, not {given}"
        )
    dtype = "uint8"
    with contextlib.suppress(ValueError, IndexError, OSError), open_pages(path) as reader:
        dtype = reader.pages[0].dtype
        value_range = _value_range(denoiser, reader, False, value_range, dtype)
    denoiser.level_input(nominal_level(denoiser, level, dtype, value_range), 1)


def _value_ranges(denoiser, reader, measure, given):
    """Dict of type to value range: the pages of a stack may differ in type, and so in what is black and white."""
    dtypes = {shape.dtype for shape in reader.pages}
    return {dtype: _value_range(denoiser, reader, measure, given, dtype) for dtype in dtypes}


def _value_range(denoiser, reader, measure, given, dtype):
    if denoiser.value_range is not None or given is not None:
        return denoiser.value_range or given
    if measure:
        return range_of(reader, dtype)
    noise = None if hasattr(denoiser, "network") else getattr(denoiser, "noise", None)
    if noise is not None and noise.in_file_units and np.dtype(dtype).kind == "f":
        # A classical denoiser does the same at any scale, but its levels end at white, which floats may exceed by far.
        found = range_of(reader, dtype)
        return None if found is None or found[1] <= 1.0 else (0.0, found[1])
    return None


def _denoise_page(denoise, denoiser, values, results, keep_nan, **options):
    bad = _count_bad(values)
    if bad and not keep_nan:
        kinds = "NaN or infinite" if _count_bad(values, np.inf) == bad else f"NaN, infinite or beyond ±{LARGEST:g}"
        raise ImageError(f"holds {bad} values that are {kinds}; --nan=keep passes them through")
    if bad:
        original, values = values, _filled(values)
    channels = values.shape[-1]
    once = denoiser.channels == 1 < channels and _is_grey(values)
    parts = [slice(None)] if denoiser.channels != 1 else [slice(c, c + 1) for c in range(1 if once else channels)]
    for part in parts:
        denoise(denoiser, values[..., part], *(result[..., part] for result in results), **options)
    if once:
        for result in results:
            result[..., 1:] = result[..., :1]
    lost = _count_bad(results[0])
    if lost:
        hint = ": give --output_dtype=float32" if results[0].dtype == np.float16 else ""
        raise ImageError(f"{lost} of its results are too large for {results[0].dtype}{hint}")
    if bad:
        mask = _is_bad(original)
        results[0][mask] = original[mask] if results[0].dtype.kind == "f" else 0
        for std in results[1:]:
            std[mask] = np.nan


def _is_bad(values, largest=LARGEST):
    if values.dtype.kind != "f":
        return np.zeros(values.shape, bool)
    return ~(np.abs(values) <= min(largest, float(np.finfo(values.dtype).max)))


def _count_bad(values, largest=LARGEST):
    if values.dtype.kind != "f":
        return 0
    step = max(_PART // max(values[:1].nbytes, 1), 1)
    return sum(int(_is_bad(values[row : row + step], largest).sum()) for row in range(0, len(values), step))


def _filled(values):
    """The values, with the nearest good one in the place of bad ones."""
    from scipy import ndimage

    filled = values.copy()
    for channel in range(values.shape[-1]):
        bad = _is_bad(filled[..., channel])
        if bad.all():
            raise ImageError("holds nothing but NaN or infinity in a channel")
        if bad.any():
            nearest = ndimage.distance_transform_edt(bad, return_distances=False, return_indices=True)
            filled[..., channel] = filled[..., channel][tuple(nearest)]
    return filled
