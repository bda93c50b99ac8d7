"""Damage to checkpoints whose own checksum is then right again."""

import io
import json

import numpy as np

from . import archive, json_values


def damage(random, data, other):
    """Change the record or the arrays."""
    from ssdn_keras.training import checkpoint

    if random.random() < 0.3:
        return archive.damage(random, data, other)
    with np.load(io.BytesIO(data)) as file:
        arrays = {name: file[name] for name in file.files}
    record = json.loads(str(arrays.pop("record")))
    record.pop("checksum")
    if random.random() < 0.75:
        record, what = json_values.damage(random, record)
    else:
        name = random.choice(sorted(arrays))
        arrays[name] = random.choice(
            (np.array("text"), np.zeros(0), np.zeros((3, 4), "float64"), np.array(np.nan), np.zeros(2, "M8[s]"),
             np.zeros(2, [("a", "f4")]), np.array(1j), np.zeros((1,) * 20))
        )  # fmt: skip
        what = f"{name} becomes {arrays[name].dtype}{arrays[name].shape}"
    if isinstance(record, dict):
        record = {**record, "checksum": checkpoint._checksum(arrays, json.loads(json.dumps(record)))}
    stream = io.BytesIO()
    np.savez(stream, **arrays, record=np.array(json.dumps(record)))
    return stream.getvalue(), what
