"""TIFF files, plane by plane, with what belonged to the planes of another one."""

import re

import numpy as np

from ssdn_keras.data.formats.page import allocate
from ssdn_keras.value_range import rescaled

# Compression without loss, by its number in the format; what was compressed otherwise is deflated.
_LOSSLESS = {1, 5, 8, 32773, 32946, 34925, 50000}
_DEFLATE, _HORIZONTAL, _FLOATING = 8, 2, 3
_RGB, _PALETTE, _YCBCR = 2, 3, 6
# Copied as they are: Orientation, and the two tags of ImageJ (labels, display ranges and tables of colours).
_COPIED = (274, 50838, 50839)
_OME_TYPES = {"float32": "float", "float64": "double"}


class TiffWriter:
    """The same planes in the same order as in the file that `reader` reads; see `ssdn_keras.data.formats`.

    Planes are written as soon as their turn comes. Where the channels of a page lie far apart in the file, they wait
    in temporary files.
    """

    def __init__(self, path, reader, dtype=None):
        import tifffile

        self._reader, self._dtype = reader, dtype
        self._file = tifffile.TiffWriter(
            path, bigtiff=reader.file.is_bigtiff or _large(reader, dtype), byteorder=reader.file.byteorder
        )
        self._waiting, self._next = {}, 0
        self._places = {(plane.page, plane.channel): place for place, plane in enumerate(reader.layout)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, index, values, alpha=None):
        """Write page `index`, H×W×C of as many channels as it had."""
        place = self._places[index, 0]
        if (index, 1) not in self._places:
            if alpha is not None:
                values = np.concatenate([values, rescaled(alpha, values.dtype)[..., None]], axis=-1)
            self._waiting[place] = values
        else:
            for channel in range(values.shape[-1]):
                self._waiting[self._places[index, channel]] = values[..., channel : channel + 1]
        while self._next in self._waiting:
            self._write_plane(self._next, self._waiting.pop(self._next))
            self._next += 1
        # What waits must not change when its maker goes on with the array.
        self._waiting = {place: _copy(plane) for place, plane in self._waiting.items()}

    def _write_plane(self, place, values):
        plane = self._reader.layout[place]
        series = self._reader.file.series[plane.series]
        key = series.keyframe
        pages = series.pages
        page = pages[plane.place] if plane.place < len(pages) and hasattr(pages[plane.place], "tags") else None
        first = pages[0] if plane.place == 0 else page
        samples = values.shape[-1]
        separate = samples > 1 and key.planarconfig == 2
        values = np.moveaxis(values, -1, 0) if separate else values[..., 0] if samples == 1 else values
        self._file.write(
            np.ascontiguousarray(values),
            photometric=_RGB if key.photometric in (_PALETTE, _YCBCR) else key.photometric,
            planarconfig=key.planarconfig if samples > 1 else None,
            extrasamples=key.extrasamples or None,
            tile=key.tile if key.is_tiled else None,
            rowsperstrip=None if key.is_tiled else key.rowsperstrip or None,
            metadata=None,
            contiguous=False,
            **_compression(key, values.dtype),
            **_described(key if first is None else first, self._dtype, first is not None, self._reader.file),
        )


class MapWriter:
    """Float32 pages, deflated, of which nothing else is known."""

    def __init__(self, path):
        import tifffile

        self._file = tifffile.TiffWriter(path, bigtiff=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, index, values, alpha=None):
        """Write a page, H×W×C."""
        grey = values.shape[-1] == 1
        self._file.write(
            np.ascontiguousarray(values[..., 0] if grey else values),
            photometric="rgb" if values.shape[-1] == 3 else "minisblack",
            planarconfig=None if grey else "contig",
            compression=_DEFLATE,
            metadata=None,
        )


def _large(reader, dtype):
    """Whether the offsets of a classic TIFF file, of 4 bytes, might not reach its end."""
    bytes_of = (
        height * width * (channels + 1) * np.dtype(dtype or own).itemsize
        for height, width, channels, own in reader.pages
    )
    return sum(bytes_of) > 2**32 - 2**26


def _copy(values):
    if getattr(values, "kept", False):
        return values
    copy = allocate(values.shape, values.dtype).view(_Kept)
    copy[:] = values
    return copy


class _Kept(np.ndarray):
    """An array that nobody else writes to."""

    kept = True


def _compression(page, dtype):
    compression = page.compression if page.compression in _LOSSLESS else _DEFLATE
    predictor = None
    if compression != 1 and page.predictor in (_HORIZONTAL, _FLOATING):
        predictor = _FLOATING if dtype.kind == "f" else _HORIZONTAL
    return {"compression": compression if compression != 1 else None, "predictor": predictor}


def _described(page, dtype, own, file):
    """Resolution, descriptions and the like of a page of the file, as arguments for tifffile.

    Args:
        own: whether it is the page itself, and not one that stands for those which have nothing of their own.
    """
    tags = page.tags
    found = {"software": False}
    if "XResolution" in tags and "YResolution" in tags:
        found["resolution"] = (tags["XResolution"].value, tags["YResolution"].value)
        found["resolutionunit"] = int(page.resolutionunit or 1)
    if page.iccprofile is not None:
        found["iccprofile"] = page.iccprofile
    if not own:
        return found
    if 270 in tags:
        found["description"] = _description(tags[270].value, dtype)
    for name in ("Software", "DateTime"):
        if name in tags and isinstance(tags[name].value, str):
            found[name.lower()] = tags[name].value if name == "DateTime" else tags[name].value.encode()
    found["extratags"] = [
        (code, int(tags[code].dtype), int(tags[code].count), _bytes_of(tags[code], file), True)
        for code in _COPIED
        if code in tags
    ]
    return found


def _bytes_of(tag, file):
    """The value of a tag as it stands in the file, which has the byte order of the new one."""
    if tag.valueoffset <= 0:
        return tag.value
    file.filehandle.seek(tag.valueoffset)
    return file.filehandle.read(tag.valuebytecount)


def _description(text, dtype):
    """As it was, but for the type of the values, and for planes that had no entry."""
    if isinstance(text, bytes):
        return text
    if dtype is not None and "<OME" in text:
        text = re.sub(r'(<(?:\w+:)?Pixels\b[^>]*?\bType=")[^"]*', rf"\g<1>{_OME_TYPES.get(dtype, dtype)}", text)
    return text.replace(', "truncated": true', "").encode()  # here each plane has an entry of its own
