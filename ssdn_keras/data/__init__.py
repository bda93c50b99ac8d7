"""Training data and image files. TensorFlow is imported with the pipeline, not before."""

from ssdn_keras.data.images import list_images, save_image
from ssdn_keras.data.read import read_image
from ssdn_keras.data.sources import ArraySource, FolderSource, HDF5Source, TFRecordSource, open_source

__all__ = [
    "ArraySource",
    "FolderSource",
    "HDF5Source",
    "TFRecordSource",
    "list_images",
    "open_source",
    "read_image",
    "save_image",
    "training_crops",
]


def __getattr__(name):
    if name == "training_crops":
        from ssdn_keras.data.pipeline import training_crops

        return training_crops
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
