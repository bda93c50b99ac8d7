"""Image files as the diagnosis wants them: values in the file's own units, and what the file says about itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssdn_keras.data.formats import open_pages
from ssdn_keras.data.images import list_images
from ssdn_keras.data.measured_range import range_of

# Sums of squares of larger values, over patches and their spectra, leave the range of float32.
_LARGEST = 1e15


@dataclass(frozen=True)
class Picture:
    """One image, or one page of a stack.

    Attributes:
        name: path, with the page where there are several.
        values: float32 (float64 for wide integers) H×W×C, in the file's units.
        dtype: name of the file's type, such as "uint16".
        low, high: the least and greatest value of the type; None for floats, which have no such range.
        kind: format, such as "PNG".
        value_range: (low, high) of the whole file, for networks that have no range; None for that of the type.
    """

    name: str
    values: np.ndarray
    dtype: str
    low: float | None
    high: float | None
    kind: str
    value_range: tuple[float, float] | None = None


def list_files(arguments):
    """Image files among the arguments and below the folders among them, each once, in order.

    Raises:
        FileNotFoundError: an argument does not exist, or a folder holds no image.
    """
    found = []
    for argument in map(Path, arguments):
        if not argument.exists():
            raise FileNotFoundError(f"{argument}: no such file or folder")
        found += list_images(argument) if argument.is_dir() else [argument]
    return list(dict.fromkeys(found))


def as_picture(name, array, kind, value_range=None):
    """A `Picture` of an array H×W or H×W×C; name, kind and range of values are as it has them.

    Raises:
        ValueError: no image, a type that images do not have, or values that are NaN, infinite or beyond ±1e15, with
            their number.
    """
    array = np.asarray(array)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"an array of shape {array.shape} is no image H×W×C")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    if array.dtype.kind not in "uif":
        raise ValueError(f"values of type {array.dtype}: expected integers or floats")
    low = high = None
    if array.dtype.kind in "ui":
        info = np.iinfo(array.dtype)
        low, high = float(info.min), float(info.max)
    else:
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise ValueError(f"{bad} of {array.size} values are NaN or infinite: replace them first")
        huge = array[np.abs(array) > _LARGEST]
        if huge.size:
            raise ValueError(
                f"{huge.size} of {array.size} values lie beyond ±{_LARGEST:g}, such as {huge[0]:g}: if they mark "
                "missing data, replace them by the mean of the others first; otherwise divide all values"
            )
    wide = array.dtype.itemsize > 4 or (array.dtype.kind in "ui" and array.dtype.itemsize == 4)
    values = array.astype(np.float64 if wide else np.float32)
    return Picture(str(name), values, array.dtype.name, low, high, kind, value_range)


def read_pictures(path, most_pages, measure_range=False):
    """Yield the `Picture` of a file; of a stack, so many of its pages, evenly spread.

    Args:
        path: of the file.
        most_pages: of a stack.
        measure_range: whether pictures get the range of values of the file, as `denoise` measures it.

    Raises:
        ValueError: the file cannot be used; the message says why, without the path.
    """
    with open_pages(path) as reader:
        count = len(reader.pages)
        dtypes = {shape.dtype for shape in reader.pages} if measure_range else ()
        ranges = {dtype: range_of(reader, dtype) for dtype in dtypes}
        for index in sorted({round(place) for place in np.linspace(0, count - 1, min(count, most_pages))}):
            name = f"{path}, page {index + 1} of {count}" if count > 1 else path
            value_range = ranges.get(reader.pages[index].dtype)
            yield as_picture(name, reader.read(index).values, Path(path).suffix[1:].upper(), value_range)
