"""Making an HDF5 file in the authors' layout from a folder of images."""

from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from ssdn_keras.data.images import ImageError, list_images, read_image, write_atomically
from ssdn_keras.data.sources import tell


def write_hdf5(folder, output, smallest=None, largest=None):
    """Write every usable image of a folder as RGB; what cannot be read is skipped and named.

    Args:
        folder: PNG and JPEG files, nested.
        output: .h5 file, written whole or not at all.
        smallest, largest: leave out images with a side outside this range, in pixels.

    Returns:
        (number of images written, number skipped).

    Raises:
        FileNotFoundError, ValueError: no image, or none usable.
    """
    paths, skipped, shapes = list_images(folder), 0, []

    def usable(path):
        array = read_image(path, 3)
        low, high = min(array.shape[:2]), max(array.shape[:2])
        if (smallest and low < smallest) or (largest and high > largest):
            raise ImageError(f"{array.shape[1]}×{array.shape[0]} pixels is outside {smallest or 1}..{largest or '∞'}")
        return array

    def write(temporary):
        nonlocal skipped
        with h5py.File(temporary, "w") as file:
            kind = h5py.vlen_dtype(np.dtype("uint8"))
            images = file.create_dataset("images", (len(paths),), maxshape=(None,), dtype=kind)
            for path in tqdm(paths, desc=f"writing {Path(output).name}", unit="image"):
                try:
                    array = usable(path)
                except ImageError as error:
                    skipped += 1
                    tell(f"skipped {path}: {error}")
                    continue
                planes = np.ascontiguousarray(array.transpose(2, 0, 1))
                images[len(shapes)] = planes.ravel()
                shapes.append(planes.shape)
            if not shapes:
                raise ValueError(f"{folder}: no usable image, {skipped} skipped")
            images.resize((len(shapes),))
            file.create_dataset("shapes", data=np.array(shapes, "int32"))

    write_atomically(output, write)
    return len(shapes), skipped
