"""PNG, JPEG, WebP and BMP files."""

import numpy as np
from PIL import Image

from ssdn_keras.data.formats import png16
from ssdn_keras.data.images import ImageError
from ssdn_keras.value_range import rescaled

# By suffix: values that a file can hold, whether it has alpha, and how Pillow is to write it. What cannot be asked of
# a file is how much its maker lost: WebP is written without loss, JPEG near it.
_KINDS = {
    ".png": (("uint8", "uint16"), True, {}),
    ".jpg": (("uint8",), False, {"quality": 95, "subsampling": 0}),
    ".webp": (("uint8",), True, {"lossless": True, "exact": True}),
    ".bmp": (("uint8",), True, {}),
}
_KINDS[".jpeg"] = _KINDS[".jpg"]
# Of a format, suffixes that are not its name.
_SUFFIXES = {"JPEG": (".jpg", ".jpeg")}


class PillowWriter:
    """A file of one page, with the alpha channel and what else belongs to the picture; see `ssdn_keras.data.formats`.

    Raises:
        ImageError: the kind of file cannot hold such values, or its suffix is not that of the source's kind.
    """

    def __init__(self, path, reader, dtype=None):
        self._path, self._reader = path, reader
        self._dtype = np.dtype(dtype or reader.pages[0].dtype)
        suffix = str(path)[str(path).rfind(".") :].lower()
        _check_suffix(suffix, reader.format)
        allowed, self._has_alpha, self._options = _KINDS[suffix]
        if self._dtype.name not in allowed:
            raise ImageError(
                f"a {suffix} file holds {' or '.join(allowed)}, not {self._dtype}: write TIFF files instead"
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, index, values, alpha=None):
        """Write the page, H×W×C of 1 or 3 channels."""
        alpha = rescaled(alpha, self._dtype) if self._has_alpha and alpha is not None else None
        if self._dtype == np.uint16 and (alpha is not None or values.shape[-1] > 1):
            self._write_deep(values, alpha)
            return
        picture = Image.fromarray(np.ascontiguousarray(values[..., 0] if values.shape[-1] == 1 else values))
        if alpha is not None:
            picture.putalpha(Image.fromarray(np.ascontiguousarray(alpha)))
        picture.save(self._path, **{**self._reader.info, **self._options})

    def _write_deep(self, values, alpha):
        if alpha is not None:
            values = np.concatenate([values, alpha[..., None]], axis=-1)
        with open(self._path, "wb") as file:
            file.write(png16.encode(values))


def _check_suffix(suffix, kind):
    """Raise ImageError if a file of a kind, as `PillowReader` names it, would become another: JPEG has losses."""
    right = _SUFFIXES.get(kind, (f".{kind.lower()}",))
    if suffix not in right:
        raise ImageError(f"named {suffix}, but it holds a {kind} image: its name must end in {' or '.join(right)}")
