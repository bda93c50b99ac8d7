"""TIFF files: stacks of any length, read page by page; ImageJ and OME layouts; tiled and compressed ones."""

import contextlib
import io
import logging
import math
import threading
from typing import NamedTuple

import numpy as np

from ssdn_keras.choices import MAX_PIXELS
from ssdn_keras.data.formats.page import Page, PageShape, allocate
from ssdn_keras.data.images import ImageError, check_pixels

_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
_ALPHA = (1, 2)
_PALETTE = 3
_LOG = logging.getLogger("tifffile")
_LOG.addHandler(logging.NullHandler())  # it tells of every oddity of a file; what matters becomes an ImageError


class _Damage(logging.Handler):
    """Notes where tifffile goes on, in this thread, although pages are lost."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.found, self._thread = None, threading.get_ident()

    def emit(self, record):
        text = record.getMessage()
        if record.thread == self._thread and ("page offset" in text or "corrupt" in text):
            self.found = text

    def __enter__(self):
        _LOG.addHandler(self)
        return self

    def __exit__(self, *_):
        _LOG.removeHandler(self)


@contextlib.contextmanager
def _errors():
    """Whatever tifffile and its decoders raise becomes an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("needs more memory than there is") from None
    except Exception as error:  # what damage makes of a file, they do not foresee
        text = str(error).strip()
        if "imagecodecs" in text:
            raise ImageError("compressed: to read it, pip install 'ssdn_keras[tiff]'") from None
        raise ImageError(f"damaged TIFF file ({text.splitlines()[0] if text else type(error).__name__})") from None


class Plane(NamedTuple):
    """What one page of the file, or one part of a contiguous block, holds.

    Attributes:
        series, place: number of the series, and of the plane in it.
        page, channel: number of the page, and of the first of its channels, that it belongs to.
    """

    series: int
    place: int
    page: int
    channel: int


class TiffReader:
    """See `ssdn_keras.data.formats`. The channels of a page may lie in planes of their own (ImageJ, OME).

    Attributes:
        pages: list of `PageShape`.
        layout: list of `Plane`, in the order of the file.
        file: the `tifffile.TiffFile`, for what a writer copies.
    """

    def __init__(self, source, max_pixels=MAX_PIXELS):
        import tifffile

        self._source = None if isinstance(source, bytes) else source
        with _errors():
            # Not the other files of a set, which a description may name: no file may have another one read.
            self.file = tifffile.TiffFile(io.BytesIO(source) if self._source is None else source, _multifile=False)
        self.pages, self.layout, self._planes, self._maps = [], [], [], {}
        try:
            with _errors():
                with _Damage() as damage:
                    all_series = self.file.series
                    len(self.file.pages)
                if damage.found:
                    raise ImageError("damaged or truncated: some of its pages cannot be found")
                for number, series in enumerate(all_series):
                    self._add(number, series, max_pixels)
                if not self.pages:
                    raise ImageError("holds no image")
        except BaseException:
            self.file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._maps.clear()
        self.file.close()

    def _add(self, number, series, max_pixels):
        key = series.keyframe
        lead = series.axes[: len(series.axes) - len(key.axes)]
        if key.axes not in ("YX", "YXS", "SYX") or not series.axes.endswith(key.axes):
            raise ImageError(f"planes with the axes {key.axes} are not supported (YX, YXS, SYX are)")
        if series.dtype is None or series.dtype.name not in _DTYPES:
            raise ImageError(f"values of the type {series.dtype} are not supported ({', '.join(_DTYPES)} are)")
        check_pixels(key.imagewidth, key.imagelength, max_pixels)
        self._check_length(series)
        samples, alpha = _samples(key)
        sizes = series.shape[: len(lead)]
        apart = lead.index("C") if "C" in lead and key.samplesperpixel == 1 else None
        channels = 1 if apart is None else sizes[apart]
        first = len(self.pages)
        # Page and channel of every plane, in the order of the file.
        places = np.arange(math.prod(sizes), dtype="int64").reshape(sizes)
        by_page = np.moveaxis(places, apart, -1).reshape(-1, channels) if apart is not None else places.reshape(-1, 1)
        planes = [None] * by_page.size
        for page, numbers in enumerate(by_page):
            for channel, place in enumerate(numbers):
                planes[place] = Plane(number, int(place), first + page, channel)
            self._planes.append([(number, int(place), samples, alpha) for place in numbers])
        self.layout += planes
        dtype = "uint8" if key.photometric == _PALETTE else series.dtype.newbyteorder("=").name
        shape = PageShape(key.imagelength, key.imagewidth, samples * channels, dtype)
        self.pages += [shape] * len(by_page)

    def _check_length(self, series):
        size = self.file.filehandle.size
        if series.dataoffset is not None:
            short = series.dataoffset + series.size * series.dtype.itemsize > size
        else:
            parts = ((page.dataoffsets, page.databytecounts) for page in series.pages if page is not None)
            short = any(
                at + count > size for offsets, counts in parts for at, count in zip(offsets, counts, strict=True)
            )
        if short:
            raise ImageError("truncated: some of its pixels would lie behind its end")

    def _plane(self, number, place):
        """H×W×S, in the byte order of the file."""
        series = self.file.series[number]
        key = series.keyframe
        if series.dataoffset is not None and self._source is not None and key.photometric != _PALETTE:
            if number not in self._maps:
                dtype = np.dtype(self.file.byteorder + series.dtype.char)
                shape = (series.size // math.prod(key.shape), *key.shape)
                self._maps[number] = np.memmap(self._source, dtype, "r", series.dataoffset, shape)
            plane = self._maps[number][place]
        elif len(series.pages) == 1 and series.size != math.prod(key.shape):
            plane = series.asarray().reshape(-1, *key.shape)[place]
        else:
            if series.pages[place] is None:
                raise ImageError("one of its planes is missing, or in another file")
            plane = series.pages[place].asarray(out=allocate(key.shape, series.dtype))
        if key.photometric == _PALETTE:
            return np.moveaxis(key.colormap[:, plane] >> 8, 0, -1).astype("uint8")
        return {"YX": lambda: plane[..., None], "YXS": lambda: plane, "SYX": lambda: np.moveaxis(plane, 0, -1)}[
            key.axes
        ]()

    def read(self, index):
        """Page `index`; raises ImageError if it is damaged."""
        with _errors():
            planes = [
                (self._plane(number, place), samples, alpha) for number, place, samples, alpha in self._planes[index]
            ]
            plane, samples, has_alpha = planes[0]
            if len(planes) == 1:
                return Page(plane[..., :samples], plane[..., samples] if has_alpha else None)
            shape = self.pages[index]
            values = allocate(shape[:3], shape.dtype)
            for channel, (plane, _, _) in enumerate(planes):
                values[..., channel] = plane[..., 0]
            return Page(values, None)


def _samples(page):
    """(samples beside alpha, whether the last one is alpha) of a plane."""
    if page.photometric == _PALETTE:
        return 3, False
    alpha = page.samplesperpixel > 1 and bool(page.extrasamples) and page.extrasamples[-1] in _ALPHA
    return page.samplesperpixel - alpha, alpha
