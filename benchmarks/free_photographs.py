"""Make the photographs from which the networks of no restriction learnt: free for any use, downscaled, as PNG.

    git clone --bare https://github.com/OWNER/NAME CLONES/OWNER+NAME    # for each repository of free_photographs.csv
    python benchmarks/free_photographs.py --clones=CLONES --output=photographs

`free_photographs.csv` names each file, its commit, its checksum and the dedication under which its repository gives it
away. A photograph is written at two sizes. JPEG files become half as large or smaller, so that what compression did to
them is gone. Their grain goes with it; they get one of σ = 2, as photographs have that were not downscaled (2.1 in the
median of Kodak's, 0.9 here without it). Areas without any would count most in a likelihood, and make a network too sure
of itself everywhere. Panoramas (.hdr, light without an upper limit) lose the sky above and the ground below, which are
stretched, and get the curve of sRGB. Needs opencv-python-headless, which reads .hdr.
"""

import csv
import hashlib
import io
import pathlib
import subprocess

import cv2
import numpy as np
from absl import app, flags, logging
from PIL import Image

_CLONES = flags.DEFINE_string("clones", None, "Folder of the clones, OWNER+NAME each, bare or not.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write; made if need be.", required=True)
_GRAIN = flags.DEFINE_float("grain", 2.0, "Standard deviation of the grain, of 0..255.", lower_bound=0)
_LIST = pathlib.Path(__file__).with_suffix(".csv")
# Longest sides of what is written, px: scenes at two distances.
_SIDES = (1600, 800)
# Panoramas: how much of their height is kept, in the middle, and which share of values may become white.
_MIDDLE, _WHITE = 0.6, 0.05


def content_of(clone, commit, path):
    """Bytes of a file in a commit of a clone, which need not be checked out."""
    found = subprocess.run(["git", "-C", clone, "show", f"{commit}:{path}"], capture_output=True)
    if found.returncode:
        raise app.UsageError(f"{path}: not in {clone}: {found.stderr.decode().strip()}")
    return found.stdout


def panorama(content):
    """Image of 8 bits, of the middle of a Radiance file."""
    light = cv2.imdecode(np.frombuffer(content, "uint8"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    edge = round(light.shape[0] * (1 - _MIDDLE) / 2)
    light = light[edge:-edge]
    light = np.clip(light / np.quantile(light, 1 - _WHITE), 0, 1)
    # IEC 61966-2-1.
    curved = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.uint8(np.round(255 * curved)))


def photographs(content, suffix):
    """The images that a file becomes."""
    if suffix == ".hdr":
        return [panorama(content)]
    image = Image.open(io.BytesIO(content)).convert("RGB")
    limit = max(image.size) / (2 if suffix == ".jpg" else 1)
    scales = [min(side, limit) / max(image.size) for side in _SIDES if side == _SIDES[0] or 1.5 * side <= limit]
    return [image.resize([round(scale * length) for length in image.size], Image.LANCZOS) for scale in scales]


def with_grain(image, random):
    """An image of 8 bits with normal noise."""
    values = np.asarray(image) + random.normal(0, _GRAIN.value, np.asarray(image).shape)
    return Image.fromarray(np.uint8(np.clip(np.rint(values), 0, 255)))


def main(_):
    """Write all photographs of the list, each checked."""
    output = pathlib.Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    count, random = 0, np.random.RandomState(0)
    with _LIST.open(newline="") as rows:
        for row in csv.DictReader(rows):
            clone = pathlib.Path(_CLONES.value, row["repository"].replace("/", "+"))
            content = content_of(clone, row["commit"], row["path"])
            if hashlib.sha256(content).hexdigest() != row["sha256"]:
                raise app.UsageError(f"{row['path']}: of another checksum than {_LIST.name} has")
            path = pathlib.Path(row["path"])
            for image in photographs(content, path.suffix):
                with_grain(image, random).save(output / f"{path.stem.replace(' ', '_')}_{max(image.size)}.png")
                count += 1
    logging.info("Wrote %d images to %s.", count, output)


if __name__ == "__main__":
    app.run(main)
