"""Networks: models of ours, files of the authors' program and of the PyTorch reimplementation, weights as .npz.

Their weights are zeros: what is damaged is then mostly the structure around them, see `mutations.places`.
"""

import functools
import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from . import Seed, bombs


@functools.cache
def _network(*arguments, **options):
    from ssdn_keras.startup import start_backend

    start_backend()
    import ssdn_keras

    model = ssdn_keras.Denoiser(*arguments, **options, name="denoiser")
    model.set_weights([np.zeros(weight.shape, "float32") for weight in model.weights])
    return model


def _plain():
    return _network("gauss25", "known", 1, algorithm="n2c")


def _blind():
    return _network("poisson5_50", "global", 3)


def _written(suffix, write):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        write(path)
        return path.read_bytes()


def _compressed(data, kind):
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w", kind) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    return stream.getvalue()


def keras_seeds():
    """Models of ours."""
    plain = _written(".keras", _plain().save)
    yield Seed("n2c", plain)
    for name, kind in (("deflate", zipfile.ZIP_DEFLATED), ("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        yield Seed(name, _compressed(plain, kind))
    yield from bombs.keras_seeds(plain)
    yield Seed("ssdn", _written(".keras", _blind().save))
    estimating = _network("gauss5_50", "per_image", 1, True, blindspot_size=3)
    yield Seed("per image", _written(".keras", estimating.save))


def pickle_seeds():
    """Networks of the authors' program."""
    from test_convert import state_of, write_pickle

    yield Seed("n2c", _written(".pickle", lambda path: write_pickle(path, state_of(_plain()))))
    for protocol in (2, 4, 5):
        state = state_of(_blind(), build_module_src="def blindspot_pipeline(a, b):\n    pass\n")
        data = _written(".pickle", lambda path, s=state, p=protocol: write_pickle(path, s, p))
        yield Seed(f"ssdn, protocol {protocol}", data)


def wt_seeds():
    """Networks of the PyTorch reimplementation, in both of its formats."""
    from pytorch_files import newer_format, older_format, settings, state_of

    from ssdn_keras.interop.original import variables

    plain = state_of(variables(_plain()), settings("n2c", "gauss25_nc", 1))
    blind = state_of(variables(_blind()), settings("ssdn", "poisson5_50", 3, "const"))
    for name, state in (("n2c", plain), ("ssdn", blind)):
        yield Seed(f"{name}, older", older_format(state))
        yield Seed(f"{name}, newer", newer_format(state))


def npz_seeds():
    """Variables by the authors' names, of the network that the command line of the reader names."""
    from ssdn_keras.interop.original import variables

    for name, write in (("stored", np.savez), ("compressed", np.savez_compressed)):
        stream = io.BytesIO()
        write(stream, **variables(_plain()))
        yield Seed(name, stream.getvalue())
    yield Seed("lzma", _compressed(stream.getvalue(), zipfile.ZIP_LZMA))
    yield from bombs.npz_seeds()
