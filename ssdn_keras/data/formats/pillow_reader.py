"""PNG, JPEG, WebP and BMP files."""

from pathlib import Path

import numpy as np

from ssdn_keras.choices import MAX_PIXELS
from ssdn_keras.data.formats import png16
from ssdn_keras.data.formats.page import Page, PageShape
from ssdn_keras.data.images import ImageError, bit_depth, is_grey, opened

_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_ANIMATED = ("PNG", "WEBP")  # not MPO: phones put a second picture of another size behind a photograph


class PillowReader:
    """A file of one page; see `ssdn_keras.data.formats`. Palettes become colour.

    Args:
        source: path, or the bytes of a file.
        max_pixels: files with more are refused.
        whole: False if these are only its first bytes, of which the header may be read.

    Attributes:
        pages: list of one `PageShape`.
        format: "PNG", "JPEG", "WEBP" or "BMP", whatever the name of the file says.
        info: what belongs to the picture beside its pixels, as Pillow names it.
    """

    def __init__(self, source, max_pixels=MAX_PIXELS, whole=True):
        self._source, self._max_pixels = source, max_pixels
        with opened(source, whole=whole, max_pixels=max_pixels) as (image, head):
            if image.format in _ANIMATED and getattr(image, "n_frames", 1) > 1:
                raise ImageError(f"is an animation of {image.n_frames} frames: take them apart first")
            self.format = "JPEG" if image.format == "MPO" else image.format
            self._deep = bit_depth(image, head) == 16
            # Pillow takes 16-bit colour for 8-bit: the header says what it is.
            self._deep_colour = self._deep and not image.mode.startswith("I;16")
            channels = png16.channels(head[25]) if self._deep_colour else 1 if is_grey(image) or self._deep else 3
            self.pages = [PageShape(image.height, image.width, channels, "uint16" if self._deep else "uint8")]
            self.info = {name: image.info[name] for name in ("icc_profile", "exif", "dpi") if image.info.get(name)}
            if image.mode == "CMYK":  # becomes RGB, which the profile does not describe
                self.info.pop("icc_profile", None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, index=0):
        """The page; raises ImageError if the file is damaged."""
        with opened(self._source, max_pixels=self._max_pixels) as (image, _):
            if not self._deep_colour:
                image.load()  # of 16-bit colour too, which finds damage that the other decoder does not name
            page = self._deep_page() if self._deep_colour else self._page(image)
            if self._deep and page.alpha is None and "transparency" in image.info:
                page = Page(page.values, _transparent(page.values, image.info["transparency"]))
        if page.values.shape[:2] != self.pages[index][:2]:
            raise ImageError("has another size than its header said")
        return page

    def _deep_page(self):
        data = self._source if isinstance(self._source, bytes) else Path(self._source).read_bytes()
        values = png16.decode(data)
        channels = self.pages[0].channels
        return Page(values[..., :channels], values[..., channels] if values.shape[-1] > channels else None)

    def _page(self, image):
        if self._deep:
            return Page(np.asarray(image).astype("uint16")[..., None], None)
        alpha = None
        if image.mode in _ALPHA_MODES or "transparency" in image.info:
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        values = np.asarray(image.convert("L" if is_grey(image) else "RGB"))
        return Page(values.reshape(*values.shape[:2], -1), alpha)


def _transparent(values, colour):
    """Alpha of a 16-bit PNG file of which one colour is transparent."""
    return np.where((values == np.array(colour)).all(axis=-1), 0, 65535).astype("uint16")
