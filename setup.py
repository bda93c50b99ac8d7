"""Package definition. Metadata that needs no code is in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

version = {}
exec(Path(__file__).with_name("ssdn_keras").joinpath("version.py").read_text(), version)

setup(
    version=version["__version__"],
    packages=find_packages(include=["ssdn_keras", "ssdn_keras.*"]),
    package_data={
        "ssdn_keras.shipped": ["networks/*/*"],
        **{f"ssdn_keras.{part}": ["templates/*.html"] for part in ("comparison", "diagnosis", "reproduction")},
    },
    install_requires=[
        "absl-py>=2.1,<3",  # flags of the commands
        "h5py>=3.11,<4",  # training files in the authors' layout
        "jinja2>=3.1,<4",  # the comparison's page
        "keras>=3.12,<4",  # the networks
        "matplotlib>=3.9,<4",  # curves and crops of the comparison
        "numpy>=1.26,<3",  # arrays
        "pillow>=10.1,<14",  # image files
        "PyWavelets>=1.6,<2",  # scikit-image's wavelet denoiser and noise estimate need it
        "scikit-image>=0.26,<1",  # SSIM, non-local means, wavelets, the demonstration's photographs
        "scipy>=1.13,<2",  # nearest neighbours of missing values
        "tensorboard>=2.19,<3",  # curves; TensorFlow does not bring it any more
        "tensorflow>=2.19,<3",  # backend and input pipeline
        "tifffile>=2025.1.10,<2028",  # TIFF files; its versions are dates
        "tqdm>=4.66,<5",  # progress bars of what is not Keras's fit
    ],
    extras_require={
        "cbm3d": ["bm3d>=4.0,<5"],  # an extra: its licence allows non-commercial use only
        "photographs": ["opencv-python-headless>=4.10,<6"],  # benchmarks/free_photographs.py: panoramas (.hdr)
        # `make docs`: pages from Markdown, their look, and the reference, which is read from docstrings.
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.5,<10", "mkdocstrings>=0.30,<2", "mkdocstrings-python>=1.16,<3"],
        # `export --format=onnx`: the format, Keras's way to it from TensorFlow, and the runtime of its tests.
        "onnx": ["onnx>=1.20,<2", "tf2onnx>=1.17,<2", "onnxruntime>=1.23,<2"],
        "safetensors": ["safetensors>=0.5,<1"],  # `export --format=safetensors`
        "torch": ["torch>=2.6"],  # KERAS_BACKEND=torch
        "tiff": ["imagecodecs>=2025.3.30,<2028"],  # TIFF files of other compression than deflate: LZW, Zstandard, …
        "test": [
            "hypothesis>=6.100,<7",
            "jax>=0.5",
            "playwright>=1.50,<2",
            "pytest>=8,<10",
            "pytest-xdist>=3.6,<4",  # tests on two processors
            # The notebooks are run: a kernel, what drives it, and what reads and writes their files.
            "ipykernel>=6.29,<8",
            "nbclient>=0.10.1,<1",
            "nbformat>=5.10,<6",
        ],
    },
)
