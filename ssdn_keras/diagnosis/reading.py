"""Image files as the diagnosis wants them: values in the file's own units, and what the file says about itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_TIFF = (".tif", ".tiff")
_MODES = {"1": "L", "P": "RGB", "PA": "RGB", "LA": "L", "La": "L", "RGBA": "RGB", "RGBa": "RGB", "CMYK": "RGB",
          "YCbCr": "RGB", "HSV": "RGB", "LAB": "RGB", "RGBX": "RGB"}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """One image, or one page of a stack.

    Attributes:
        name: path, with the page where there are several.
        values: float32 (float64 for wide integers) H×W×C, in the file's units.
        dtype: name of the file's type, such as "uint16".
        low, high: the least and greatest value of the type; None for floats, which have no such range.
        kind: format, such as "PNG".
    """

    name: str
    values: np.ndarray
    dtype: str
    low: float | None
    high: float | None
    kind: str


def list_files(arguments):
    """Image files among the arguments and below the folders among them, each once, in order.

    Raises:
        FileNotFoundError: an argument does not exist, or a folder holds no image.
    """
    found = []
    for argument in map(Path, arguments):
        if argument.is_dir():
            inside = sorted(
                path
                for path in argument.rglob("*")
                if path.suffix.lower() in SUFFIXES
                and path.is_file()
                and not any(part.startswith(".") for part in path.relative_to(argument).parts)
            )
            if not inside:
                raise FileNotFoundError(
                    f"{argument}: no image in this folder or below it; looked for {', '.join(SUFFIXES)}"
                )
            found += inside
        elif argument.is_file():
            found.append(argument)
        else:
            raise FileNotFoundError(f"{argument}: no such file or folder")
    return list(dict.fromkeys(found))


def as_picture(name, array, kind):
    """A `Picture` of an array H×W or H×W×C.

    Raises:
        ValueError: no image, a type that images do not have, or values that are NaN or infinite, with their number.
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
    wide = array.dtype.itemsize > 4 or (array.dtype.kind in "ui" and array.dtype.itemsize == 4)
    return Picture(str(name), array.astype(np.float64 if wide else np.float32), array.dtype.name, low, high, kind)


def read_pictures(path, most_pages):
    """Yield the `Picture` of a file; of a stack, so many of its pages, evenly spread.

    Raises:
        ValueError, OSError: the file cannot be used; the message says why, without the path.
    """
    path = Path(path)
    reader = _tiff_pages if path.suffix.lower() in _TIFF else _pillow_image
    try:
        yield from reader(path, most_pages)
    except (ValueError, OSError):
        raise
    except UnidentifiedImageError:
        raise ValueError("not an image, or a damaged one") from None
    except Exception as error:  # what damage makes of a file, no reader foresees
        raise ValueError(f"damaged image: {str(error).strip() or type(error).__name__}") from None


def _pillow_image(path, _):
    with open(path, "rb") as file:
        head = file.read(26)
        file.seek(0)
        try:
            image = Image.open(file)
        except UnidentifiedImageError:
            raise ValueError("not an image, or a damaged one") from None
        # Pillow reads 16-bit colour as 8-bit without a word: the bit depth of a PNG file is at byte 24, its kind at 25.
        if image.format == "PNG" and head[24] == 16 and head[25] in (2, 4, 6):
            raise ValueError("16-bit colour PNG cannot be read: save it as TIFF")
        image.load()
        if image.mode in _MODES:
            image = image.convert(_MODES[image.mode])
        array = np.asarray(image)
        if image.mode == "I" and image.format == "PNG":
            array = array.astype(np.uint16)
        yield as_picture(path, array, image.format)


def _tiff_pages(path, most_pages):
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            count = len(file.pages)
            chosen = sorted({round(index) for index in np.linspace(0, count - 1, min(count, most_pages))})
            for index in chosen:
                page = file.pages[index]
                array = np.squeeze(page.asarray())
                if array.ndim == 3 and array.shape[0] <= 4 < array.shape[2]:
                    array = np.moveaxis(array, 0, -1)
                alpha = len(getattr(page, "extrasamples", ()) or ())
                if array.ndim == 3 and 0 < alpha < array.shape[-1]:
                    array = array[..., : array.shape[-1] - alpha]
                name = f"{path}, page {index + 1} of {count}" if count > 1 else path
                yield as_picture(name, array, "TIFF")
    except tifffile.TiffFileError as error:
        raise ValueError(f"not a TIFF file, or a damaged one: {error}") from None
