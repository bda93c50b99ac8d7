"""Pictures for people: side by side with a caption under each, or within a page."""

import base64
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_MARGIN = 8
_CAPTION = 28


def caption_grid(rows):
    """One picture of rows of captioned images.

    Args:
        rows: list of rows, each a list of (caption, uint8 array H×W×3 or H×W×1).

    Returns:
        Pillow image.
    """
    font = ImageFont.load_default(size=16)
    heights = [max(image.shape[0] for _, image in row) for row in rows]
    widths = [sum(image.shape[1] + _MARGIN for _, image in row) + _MARGIN for row in rows]
    size = (max(widths), sum(height + _CAPTION + _MARGIN for height in heights) + _MARGIN)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        left = _MARGIN
        for caption, image in row:
            colour = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
            canvas.paste(Image.fromarray(colour), (left, top))
            centre = left + image.shape[1] // 2
            draw.text((centre, top + height + _CAPTION // 2), caption, fill="black", font=font, anchor="mm")
            left += image.shape[1] + _MARGIN
        top += height + _CAPTION + _MARGIN
    return canvas


def data_uri(picture, kind, options):
    """A uint8 picture H×W×C for a page; `kind` and `options` are Pillow's."""
    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
