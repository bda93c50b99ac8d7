"""TFRecord files of images."""

import io

from . import Seed
from .png import COLOUR, GREY, PALETTE, encode


def seeds():
    """TFRecord files, and a record alone."""
    from ssdn_keras.data.example import encode as example
    from ssdn_keras.data.tfrecord import write_record

    from .jpeg import seeds as photographs

    files = [encode(COLOUR, 8), encode(GREY, 8), encode(PALETTE, 4), next(photographs()).data]
    stream = io.BytesIO()
    for number, data in enumerate(files):
        features = {"image/encoded": data, "image/format": b"png", "image/height": 11, "image/width": 13,
                    "image/filename": f"{number}.png".encode()}  # fmt: skip
        write_record(stream, example(features))
    yield Seed("four images", stream.getvalue())
    stream = io.BytesIO()
    write_record(stream, example({"image/encoded": files[1]}))
    yield Seed("one image", stream.getvalue())
