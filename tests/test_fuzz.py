"""Damaged files through the real readers: one clear line, whatever is in them. See tests/fuzz."""

import random
import time

import h5py
import numpy as np
import pytest
from fuzz.campaign import first_of, read_case, run, table
from fuzz.found import content, found_files
from fuzz.kinds import KINDS, case, counts
from fuzz.mutations import raw
from fuzz.outcome import MOST_SECONDS, observe
from fuzz.pool import Worker

from ssdn_keras.data.hdf5_probe import check_hdf5
from ssdn_keras.data.images import ImageError, open_image


@pytest.fixture(scope="module")
def worker():
    with Worker() as started:
        yield started


@pytest.mark.parametrize(("kind", "path"), found_files(), ids=lambda value: getattr(value, "name", value))
def test_what_was_found_once(worker, kind, path):
    found = read_case(worker, kind, content(path))
    assert found.accepted, found


def findings(tallies):
    return [f"{name}: {found}" for tally in tallies.values() for name, found in tally.findings]


def test_some_damaged_files(tmp_path):
    tallies = run(300, 0, list(KINDS), tmp_path)
    assert not findings(tallies), table(tallies)


@pytest.mark.slow
def test_ten_thousand_damaged_files(tmp_path):
    tallies = run(10_000, 1, list(KINDS), tmp_path, workers=2)
    assert sum(tally.cases for tally in tallies.values()) >= 10_000
    assert not findings(tallies), table(tallies)


# The test of the test: what it has to notice, it notices.


def test_cases_follow_from_the_seed():
    for kind in ("png", "flags", "hdf5"):
        number = len(KINDS[kind].distinct) + 3
        assert case(kind, number, 5) == case(kind, number, 5) != case(kind, number, 6)
    assert sum(counts(10_000, list(KINDS)).values()) >= 10_000


def test_damage_changes_and_never_fails():
    generator = random.Random(0)
    for data in (b"", b"a", bytes(1000), b"abc" * 100):
        changed = [raw.damage(generator, data, b"other")[0] for _ in range(200)]
        assert sum(new != data for new in changed) > 50


def fails(error):
    def read():
        raise error

    return read


def says(code, text):
    def read():
        import sys

        print(text, file=sys.stderr)
        sys.exit(code)

    return read


@pytest.mark.parametrize(("read", "end"), [
    (lambda: None, "read"), (says(0, "anything"), "read"), (says(1, "x: error: what"), "refused"),
    (says(1, ""), "message"), (says(1, "x: error: "), "message"), (says(2, "x: error:  (see --help)"), "message"),
    (says(1, "x: error: \x1b[31m"), "message"), (says(1, "x: error: " + "a" * 9999), "message"),
    (says(3, "x: error: what"), "message"), (fails(RecursionError()), "traceback"), (fails(KeyError(1)), "traceback"),
])  # fmt: skip
def test_ends(read, end):
    assert observe(read).end == end


def test_growth_is_measured():
    def read():
        np.ones(30 * 2**20, "uint8")

    assert 25 < observe(read).mib < 500 or observe(read).mib == 0  # 0: not on this system


# HDF5 files are read in another process first.


def test_whole_training_files_pass_the_probe(tmp_path):
    for index, seed in enumerate(KINDS["hdf5"].distinct):
        path = tmp_path / f"{index}.h5"
        path.write_bytes(seed.data)
        if seed.whole:
            check_hdf5(path)
    check_hdf5(tmp_path / "absent.h5")
    path.write_bytes(b"no HDF5 file")
    check_hdf5(path)  # that is for the reader to say


@pytest.mark.parametrize(("name", "message"), [
    ("hdf5-no-end.h5.xz", "reading it does not end"), ("hdf5-memory-1.h5.xz", "far more memory"),
    ("hdf5-a-thousand-million-images.h5.xz", "more images than it has bytes"),
])  # fmt: skip
def test_the_probe_says_what_is_wrong(tmp_path, name, message):
    path = tmp_path / "x.h5"
    path.write_bytes(content(next(path for _, path in found_files() if path.name == name)))
    begin = time.monotonic()
    with pytest.raises(ValueError, match=rf"x\.h5: damaged HDF5 file \(.*{message}"):
        check_hdf5(path)
    assert time.monotonic() - begin < 6 * MOST_SECONDS


def test_the_probe_counts_images(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (10**6,), h5py.vlen_dtype(np.dtype("uint8")))
    with pytest.raises(ValueError, match="more images than it has bytes"):
        check_hdf5(path)


# Images


def test_no_program_is_started_for_an_image(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n")
    with pytest.raises(ImageError, match="not an image"):
        open_image(path)


def test_whole_files_of_every_kind_are_read(worker):
    for kind in ("png", "jpeg", "tfrecord"):
        for seed in KINDS[kind].distinct:
            if seed.whole:
                assert read_case(worker, kind, seed.data).end == "read", (seed.name, first_of(kind)[:10])
