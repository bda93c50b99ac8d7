"""Denoising image files: which ones, where the results go, and what of a file is kept."""

from pathlib import Path

import numpy as np
from PIL import Image

from ssdn_keras.data.images import SUFFIXES, ImageError, is_grey, list_images, open_image, save_image, to_array


def collect(arguments, output):
    """Pairs (input file, output file) for files and folders; below a folder, names keep their relative path.

    Raises:
        FileNotFoundError: a file or folder does not exist, or a folder holds no image.
        ValueError: two inputs would be written to the same file, or a file to itself.
    """
    pairs, output = [], Path(output)
    for argument in map(Path, arguments):
        if argument.is_dir():
            pairs += [(path, output / path.relative_to(argument)) for path in list_images(argument)]
        elif argument.is_file():
            if argument.suffix.lower() not in SUFFIXES:
                raise ValueError(f"{argument}: expected a PNG or JPEG file")
            pairs.append((argument, output / argument.name))
        else:
            raise FileNotFoundError(f"{argument}: no such file or folder")
    targets = {}
    for source, target in pairs:
        if target in targets and targets[target] != source:
            raise ValueError(f"{source} and {targets[target]} would both be written to {target}")
        if target.resolve() == source.resolve():
            raise ValueError(f"{source}: would be overwritten by its own result; give another --output")
        targets[target] = source
    return sorted((source, target) for target, source in targets.items())


def _alpha(image):
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA").getchannel("A")
    return None


def denoise_file(source, target, denoise, channels):
    """Denoise one file; grey stays grey, alpha is kept as it is, so are EXIF data and colour profile.

    Args:
        source, target: paths; the format follows from the suffix of the target.
        denoise: function of a uint8 array H×W×channels to the same.
        channels: 1 or 3, or None if the function takes both: then the image's own.

    Raises:
        ImageError: the source is not a readable 8-bit image, or a colour image meets a network for one channel.
    """
    image = open_image(source)
    grey = is_grey(image)
    channels = channels or (1 if grey else 3)
    if channels == 1 and not grey:
        colours = np.asarray(image.convert("RGB"))
        result = np.stack([denoise(colours[..., c : c + 1])[..., 0] for c in range(3)], axis=-1)
    else:
        result = denoise(to_array(image, channels))
    if grey and channels == 3:
        result = np.rint(result.mean(axis=-1, keepdims=True)).astype(np.uint8)
    picture = Image.fromarray(result[..., 0] if result.shape[-1] == 1 else result)
    alpha = _alpha(image)
    if alpha is not None and Path(target).suffix.lower() == ".png":
        picture.putalpha(alpha)
    options = {name: image.info[name] for name in ("icc_profile", "exif", "dpi") if image.info.get(name)}
    if options.get("icc_profile") and image.mode == "CMYK":
        options.pop("icc_profile")
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    save_image(target, picture, **options)


__all__ = ["ImageError", "collect", "denoise_file"]
