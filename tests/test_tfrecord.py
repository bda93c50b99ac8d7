"""TFRecord files: what others write is read, what we write others read, and nothing damaged passes for an image."""

import errno
import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from command_line import fails, run
from conftest import smooth_image
from PIL import Image

from ssdn_keras.data import TFRecordSource, convert, example, open_source, tfrecord, training_crops
from ssdn_keras.data.convert import write_hdf5, write_tfrecord
from ssdn_keras.data.crc32c import _plain, crc32c
from ssdn_keras.data.shards import find_shards


def encoded(array, kind="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format=kind, **options)
    return stream.getvalue()


def feature(*values):
    """As TensorFlow makes it."""
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def message(**features):
    named = {name.replace("__", "/"): feature(*np.atleast_1d(value).tolist()) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString()


def write(path, *records):
    """A file that TensorFlow wrote."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def image_record(array, **features):
    return message(image__encoded=encoded(array), **features)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def assert_same_images(left, right):
    assert len(left) == len(right)
    for i in range(len(left)):
        np.testing.assert_array_equal(left.image(i), right.image(i))


# The format


@pytest.mark.parametrize("text,expected", [
    (b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E), (bytes(range(31, -1, -1)), 0x113FDB5C),
])  # fmt: skip
def test_checksums_of_rfc_3720(text, expected):
    assert crc32c(text) == expected


@pytest.mark.parametrize("length", [511, 512, 513, 767, 768, 769, 1023, 1024, 1025, 4097, 65535, 100_001])
def test_checksums_in_blocks_are_those_of_a_plain_loop(length):
    text = np.random.RandomState(length).bytes(length)
    assert crc32c(text) == _plain(text)
    assert crc32c(bytes(length)) == _plain(bytes(length))


def test_tensorflow_reads_what_we_write(photographs, tmp_path):
    assert write_tfrecord(photographs, tmp_path / "x.tfrecord", shards=3) == (4, 0)
    files = [tmp_path / f"x-{i:05d}-of-00003.tfrecord" for i in range(3)]
    assert sorted(path.name for path in tmp_path.glob("x*")) == [path.name for path in files]
    kinds = {"filename": tf.string, "encoded": tf.string, "format": tf.string, "height": tf.int64, "width": tf.int64,
             "channels": tf.int64}  # fmt: skip
    features = {f"image/{name}": tf.io.FixedLenFeature((), kind) for name, kind in kinds.items()}
    folder, seen = open_source(photographs, 3), []
    for i, record in enumerate(tf.data.TFRecordDataset(list(map(str, files)))):
        values = {name: value.numpy() for name, value in tf.io.parse_single_example(record, features).items()}
        np.testing.assert_array_equal(tf.io.decode_png(values["image/encoded"]).numpy(), folder.image(i))
        assert [values[f"image/{name}"] for name in ("format", "height", "width", "channels")] == [b"png", 72, 80, 3]
        seen.append(values["image/filename"])
    assert seen == [b"a.png", b"b.png", b"c.jpg", b"nested/d.PNG"]


def test_we_read_what_tensorflow_writes(tmp_path):
    colour, grey = smooth_image(0, 40, 60), smooth_image(1, 40, 60, channels=1)
    photograph = encoded(colour, "JPEG")
    first = message(
        a__label=[-1, 7], b__box=[0.5, 0.25], image__encoded=photograph, image__format=b"jpeg", image__filename=b"p",
        z__text=b"behind it",
    )  # fmt: skip
    path = write(tmp_path / "x.tfrecord", first, image_record(grey), image_record(colour, a__long=b"x" * 5000))
    source = open_source(path, 3)
    expected = [np.asarray(Image.open(io.BytesIO(photograph))), np.repeat(grey[..., None], 3, axis=-1), colour]
    assert len(source) == 3
    for i, image in enumerate(expected):
        np.testing.assert_array_equal(source.image(i), image)
    assert source.stored(1).shape == (40, 60, 1) and open_source(path, 1).image(1).shape == (40, 60, 1)
    assert [source.filename(i) for i in range(3)] == ["p", "record 1", "record 2"]


def test_messages_are_those_of_tensorflow():
    values = {"a": 0, "b": 127, "c": 128, "d": 2**40, "e": b"", "f": b"x" * 300, "ü": bytes(range(256))}
    theirs = tf.train.Example.FromString(example.encode(values))
    for name, value in values.items():
        stored = theirs.features.feature[name]
        assert [value] == list(stored.bytes_list.value if isinstance(value, bytes) else stored.int64_list.value)
    found = {name: value if isinstance(value, bytes) else None for name, value in values.items()}
    assert example.decode(theirs.SerializeToString()) == example.decode(example.encode(values)) == found


def test_whatever_is_no_message_holds_no_features():
    whole = example.encode({"name": b"x" * 40, "number": 3})
    random = np.random.RandomState(0)
    for data in [whole[:i] for i in range(len(whole))] + [random.bytes(n) for n in range(60)] + [b"\xff" * 40]:
        assert isinstance(example.decode(data), dict)
    assert example.decode(b"") == {} and example.decode(whole[:20])["name"] == b"xxxx"


# The same training


@pytest.mark.parametrize("shards", [None, 1, 2, 4])
def test_the_same_training_comes_from_all_forms(photographs, tmp_path, monkeypatch, shards):
    monkeypatch.setattr(convert, "SHARD_BYTES", 15_000)
    write_tfrecord(photographs, tmp_path / "x.tfrecord", shards=shards)
    write_hdf5(photographs, tmp_path / "x.h5")
    assert len(list(tmp_path.glob("x-*"))) == (shards or 2)  # of 11 kB each: every second one fills a shard
    options = {"noise": "gauss25", "crop": 24, "minibatch": 2, "count": 16}
    expected = [x["noisy"].numpy() for x, _ in training_crops(photographs, **options)]
    for images in (tmp_path / "x.h5", tmp_path / "x.tfrecord", tmp_path / "x-*.tfrecord"):
        for crop, (x, _) in zip(expected, training_crops(images, **options), strict=True):
            np.testing.assert_array_equal(x["noisy"], crop)


def test_and_back(capfd, tmp_path, photographs):
    Image.new("L", (30, 20), 7).save(photographs / "grey.png")
    Image.new("RGB", (90, 200), 9).save(photographs / "large.png")
    (photographs / "text.png").write_text("no image")
    set_of_all = tmp_path / "new" / "all.tfrecord"
    code, out, err = run(capfd, "prepare", f"--input={photographs}", f"--output={set_of_all}", "--shards=2")
    assert code == 0 and f"{set_of_all}: 6 images, 1 skipped" in out and "text.png: not an image" in err
    folder = open_source(photographs, 3)
    for name in ("folder", "x.h5", "again.tfrecord"):
        code, out, _ = run(capfd, "prepare", f"--input={set_of_all}", f"--output={tmp_path / name}")
        assert code == 0 and "6 images, 0 skipped" in out
        assert_same_images(open_source(tmp_path / name, 3), folder)
    code, out, _ = run(capfd, "prepare", f"--input={tmp_path / 'x.h5'}", f"--output={tmp_path / 'y.tfrecord'}")
    assert code == 0 and open_source(tmp_path / "y.tfrecord", 3).filename(1) == "image 1"
    limits = ("--smallest=25", "--largest=100", "--max_files=2")
    for name in ("some", "some.h5", "some.tfrecord"):
        code, out, err = run(capfd, "prepare", f"--input={tmp_path / 'new'}", f"--output={tmp_path / name}", *limits)
        assert code == 0 and "2 images, 0 skipped" in out
        assert_same_images(open_source(tmp_path / name, 3), open_source([folder.image(i) for i in (0, 1)], 3))
    code, out, err = run(capfd, "prepare", f"--input={set_of_all}", f"--output={tmp_path / 'sized'}", *limits[:2])
    assert "4 images, 2 skipped" in out and "record 0: 30×20 pixels is outside 25..100" in err


def test_the_published_order_in_shards(tmp_path, photographs):
    write_tfrecord(photographs, tmp_path / "x.tfrecord", order="published", shards=2)
    write_hdf5(photographs, tmp_path / "x.h5", order="published")
    assert_same_images(open_source(tmp_path / "x.tfrecord", 3), open_source(tmp_path / "x.h5", 3))
    assert len(open_source(tmp_path / "x.h5", 3)) == 3  # without d.PNG


def test_shards_are_equal_whatever_is_left_out(tmp_path, photographs):
    for i in range(8):
        Image.new("RGB", (10, 10)).save(photographs / f"{i}.png")  # before the others
    write_tfrecord(photographs, tmp_path / "x.tfrecord", smallest=11, shards=4)
    for file in find_shards(tmp_path / "x.tfrecord"):
        assert len(list(tfrecord.index(file))) == 1


def test_an_image_that_fails_late_leaves_a_shard_empty(tmp_path, photographs):
    whole = (photographs / "nested/d.PNG").read_bytes()
    (photographs / "nested/d.PNG").write_bytes(whole[: len(whole) // 2])
    assert write_tfrecord(photographs, tmp_path / "x.tfrecord", shards=4) == (3, 1)
    assert len(find_shards(tmp_path / "x.tfrecord")) == 4 and len(open_source(tmp_path / "x.tfrecord", 3)) == 3


# Whole or not at all


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("at", [0, 2, 4, 5, 6])
def test_a_failure_leaves_nothing_half_written(capfd, tmp_path, photographs, monkeypatch, error, older, at):
    output = tmp_path / "x.tfrecord"
    if older:
        write_tfrecord(photographs, output, shards=2, most=2)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    calls = iter(range(100))

    def failing(function):
        def call(*arguments):
            if next(calls) == at:
                raise error
            return function(*arguments)

        return call

    monkeypatch.setattr(convert.tfrecord, "write_record", failing(tfrecord.write_record))
    with monkeypatch.context() as context:
        context.setattr(convert.os, "replace", failing(os.replace))
        arguments = ("prepare", f"--input={photographs}", f"--output={output}", "--shards=3", "--overwrite")
        code = run(capfd, *arguments)[0]
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["clean"]


@pytest.mark.parametrize("name", ["x.tfrecord", "x.h5"])
def test_sigterm_leaves_nothing_half_written(tmp_path, name):
    images, output = tmp_path / "images", tmp_path / "output"
    images.mkdir()
    output.mkdir()
    Image.fromarray(smooth_image(0, 400, 400)).save(images / "0.png")
    for number in range(1, 2000):
        os.link(images / "0.png", images / f"{number}.png")
    command = [sys.executable, "-m", "ssdn_keras.prepare", f"--input={images}", f"--output={output / name}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 120
        while not any(path.stat().st_size for path in output.rglob("*") if path.is_file()):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        for _ in range(2):  # `timeout` does so, to the process and to its group
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143 and not out and "Traceback" not in err
    assert err.strip().splitlines()[-1] == "prepare: error: told to end (SIGTERM)"
    assert not list(output.iterdir())


def test_an_older_set_is_replaced_whole(capfd, tmp_path, photographs):
    output = tmp_path / "x.tfrecord"
    arguments = ("prepare", f"--input={photographs}", f"--output={output}")
    assert run(capfd, *arguments, "--shards=4")[0] == 0
    fails(capfd, 2, "x-00000-of-00004.tfrecord: exists; give --overwrite", *arguments)
    assert run(capfd, *arguments, "--shards=2", "--overwrite")[0] == 0
    assert [path.name for path in sorted(tmp_path.glob("x*"))] == [f"x-{i:05d}-of-00002.tfrecord" for i in range(2)]
    # It may be its own source.
    assert run(capfd, "prepare", f"--input={output}", f"--output={output}", "--shards=1", "--overwrite")[0] == 0
    assert_same_images(open_source(output, 3), open_source(photographs, 3))
    mode = (tmp_path / "x-00000-of-00001.tfrecord").stat().st_mode & 0o777
    assert mode == (photographs / "a.png").stat().st_mode & 0o777


# Which files


@pytest.fixture
def some(tmp_path, photographs):
    """Folders of shards: one set, two sets, a gap, no numbers, images beside."""
    write_tfrecord(photographs, tmp_path / "x.tfrecord", shards=4)
    contents = [path.read_bytes() for path in sorted(tmp_path.glob("x-*"))]
    folders = {
        "one": [f"x-{i:05d}-of-00004.tfrecord" for i in range(4)],
        "two": ["a-00000-of-00001.tfrecord", "b-00000-of-00001.tfrecord"],
        "older": ["a-00000-of-00001.tfrecord", "a-00000-of-00002.tfrecord", "a-00001-of-00002.tfrecord"],
        "gap": ["a-00000-of-00003.tfrecord", "a-00002-of-00003.tfrecord"],
        "gaps": ["a-00007-of-00016.tfrecord"],
        "plain": ["b.tfrecord", "a.tfrecord", ".hidden.tfrecord"],
        "behind": ["photos-train.tfrecord-00000-of-00002", "photos-train.tfrecord-00001-of-00002"],
        "bare": ["train-00000-of-00002", "train-00001-of-00002"],
        "mixed": ["a-00000-of-00001.tfrecord", "deep/picture.png"],
    }
    for folder, files in folders.items():
        for i, name in enumerate(files):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[i % 4])
    return tmp_path


@pytest.mark.parametrize("path,count", [
    ("one", 4), ("one/x.tfrecord", 4), ("one/x-*.tfrecord", 4), ("one/x-*-of-00004.tfrecord", 4), ("o*e/*", 4),
    ("one/x-00002-of-00004.tfrecord", 1), ("gap/a-00002-of-00003.tfrecord", 1), ("plain", 2),
    ("plain/b.tfrecord", 1),
    ("two/a-*.tfrecord", 1), ("two/a.tfrecord", 1), ("two/*.tfrecord", 2), ("older/a-*-of-00002.tfrecord", 2),
    ("behind", 2), ("behind/*", 2), ("bare/train-*", 2), ("mixed/a.tfrecord", 1), ("mixed/*.tfrecord", 1),
])  # fmt: skip
def test_files_that_are_found(some, path, count):
    found = find_shards(some / path)
    assert len(found) == count and found == sorted(found) and all(file.is_file() for file in found)
    assert len(open_source(some / path, 3)) == count


def test_a_name_with_an_asterisk(some):
    path = some / "a*.tfrecord"
    path.write_bytes((some / "two" / "a-00000-of-00001.tfrecord").read_bytes())
    assert find_shards(path) == [path]


@pytest.mark.parametrize("path,message", [
    ("gap", "1 of 3 shards is missing: a-00001-of-00003.tfrecord"), ("gap/a.tfrecord", "a-00001-of-00003.tfrecord"),
    ("gap/a-*", "a-00001-of-00003.tfrecord"), ("older/a-00000-*", "is missing: a-00001-of-00002.tfrecord"),
    ("gaps", "15 of 16 shards are missing: a-00000-of-00016.tfrecord, a-00001-of-00016.tfrecord, "
     "a-00002-of-00016.tfrecord, a-00003-of-00016.tfrecord, a-00004-of-00016.tfrecord and 10 more"),
    ("two", "holds several sets, give one of them: {two}/a-*-of-00001.tfrecord, {two}/b-*-of-00001.tfrecord"),
    ("older/a.tfrecord", "holds several sets"), ("older", "a-*-of-00001.tfrecord, {older}/a-*-of-00002.tfrecord"),
    ("mixed", "holds TFRecord files and images ({mixed}/deep/picture.png); give a pattern such as"),
    ("absent.tfrecord", "no such file, and no set absent-*-of-*.tfrecord"), ("ab*nt", "no file of this pattern"),
    ("cle*/*.png", "expected a pattern of TFRecord files, it finds"), ("bare", "no PNG, JPEG, WebP, BMP or TIFF file"),
    ("plain", "holds several sets"),
])  # fmt: skip
def test_files_that_are_not(some, capfd, path, message):
    message = message.format(**{name: some / name for name in ("two", "older", "mixed")})
    if path == "plain":
        (some / "plain" / "c-00000-of-00001.tfrecord").write_bytes(b"")
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        open_source(some / path, 3)
    assert message in str(caught.value)
    fails(capfd, 1, message, "train", f"--train_clean={some / path}", f"--run_dir={some / 'run'}")
    fails(capfd, 1, message, "prepare", f"--input={some / path}", f"--output={some / 'new.h5'}")
    assert not (some / "new.h5").exists()


# Damage


@pytest.fixture
def small_set(tmp_path):
    """A file of three records of 12×10 pixels, and its images."""
    images = [smooth_image(i, 24, 24)[:12, :10] for i in range(3)]
    return write(tmp_path / "x.tfrecord", *map(image_record, images)), images


def test_a_file_that_is_cut_off_at_any_byte(small_set, capsys):
    path, _ = small_set
    whole = path.read_bytes()
    ends = {0, *(record.start + record.length + 4 for record in tfrecord.index(path))}
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if length == 0:
            with pytest.raises(ValueError, match="holds no record"):
                open_source(path, 3)
        elif length in ends:
            assert len(open_source(path, 3)) < 3  # TFRecord files do not say how many records there are
        else:
            number = sum(end <= length for end in ends) - 1
            with pytest.raises(ValueError, match=f"x.tfrecord: record {number} is cut off: .* at byte {length}"):
                open_source(path, 3)


def test_no_damaged_byte_gives_a_wrong_image(small_set, capsys):
    path, images = small_set
    whole = path.read_bytes()
    outcomes = set()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            source = TFRecordSource([path], 3)
        except ValueError as error:
            assert str(path) in str(error) and "record " in str(error)
            outcomes.add("refused")
            continue
        assert len(source) + len(source.skipped) == 3
        outcomes.add("skipped" if source.skipped else "all there")
        used = [int(source.name(i).split()[-1]) for i in range(len(source))]
        failed = 0
        for i, number in enumerate(used):
            try:
                np.testing.assert_array_equal(source.image(i), images[number])
            except ValueError as error:
                assert f"x.tfrecord: record {number}: " in str(error)
                failed += 1
        assert failed + len(source.skipped) == 1, place
    assert outcomes == {"refused", "skipped", "all there"}


@pytest.mark.parametrize("records,message", [
    ([b"text"], "record 0 needs the feature 'image/encoded' (bytes of an image file); its features: none, it is "
     "not a tf.train.Example"),
    ([message(image=b"x", label=3)], "its features: image, label"),
    ([message(image__encoded=[1, 2])], "its features: image/encoded"),
    ([image_record(np.zeros((40, 40, 3), "uint8")), message(image__height=3)], "record 1 needs"),
    ([message(image__encoded=b"no image")], "no usable image, 1 skipped (the first: not an image"),
    ([message(image__encoded=encoded(np.zeros((40, 40, 3), "uint8"), "GIF"))], "not an image, or a damaged one"),
    ([image_record(np.zeros((20, 99, 3), "uint8"))], "99×20 pixels is smaller than the crop of 32"),
])  # fmt: skip
def test_records_of_another_kind(capfd, tmp_path, records, message):
    path = write(tmp_path / "x.tfrecord", *records)
    fails(capfd, 1, message, "train", f"--train_clean={path}", f"--run_dir={tmp_path / 'run'}", "--crop=32")
    if "smaller" not in message:
        said = message if "feature" in message or "needs" in message else "no usable image, 1 skipped"
        fails(capfd, 1, said, "prepare", f"--input={path}", f"--output={tmp_path / 'y.h5'}")


@pytest.mark.parametrize("content,message", [
    (b"anything else that is long enough", "its length does not match its checksum; is it a TFRecord file?"),
    (b"\x1f\x8b\x08 and so on, as gzip does", "if it is compressed, it has to be uncompressed first"),
    (zlib.compress(b"x" * 100), "if it is compressed"), (b"short", "record 0 is cut off"),
])  # fmt: skip
def test_files_of_another_kind(capfd, tmp_path, content, message):
    path = tmp_path / "x.tfrecord"
    path.write_bytes(content)
    fails(capfd, 1, message, "train", f"--train_clean={path}", f"--run_dir={tmp_path / 'run'}", "--crop=32")


def test_a_length_that_reaches_beyond_the_file(tmp_path):
    length = struct.pack("<Q", 2**60)
    path = tmp_path / "x.tfrecord"
    path.write_bytes(length + struct.pack("<I", tfrecord.masked(length)) + bytes(100))
    with pytest.raises(ValueError, match="record 0 is cut off"):
        open_source(path, 3)


def test_a_file_that_has_gone(small_set):
    path, _ = small_set
    source = open_source(path, 3)
    path.unlink()
    with pytest.raises(ValueError, match="x.tfrecord: record 2: No such file or directory"):
        source.image(2)


def test_sixteen_bits_among_others_are_skipped(tmp_path, capsys):
    good, deep = image_record(np.zeros((40, 40, 3), "uint8")), np.zeros((40, 40), "uint16")
    source = open_source(write(tmp_path / "x.tfrecord", good, message(image__encoded=encoded(deep)), good), 3)
    said = capsys.readouterr().err
    assert (
        len(source) == 2
        and "x.tfrecord: record 1: holds uint16, most of the others uint8" in said
        and "2 images used, 1 skipped" in said
    )


def test_the_fingerprint_is_that_of_the_contents(tmp_path, photographs):
    path = tmp_path / "x.tfrecord"
    write_tfrecord(photographs, path, shards=1)
    before = open_source(path, 3).fingerprint
    write_tfrecord(photographs, path, shards=3)
    assert open_source(path, 3).fingerprint == before and len(before) < 40
    image = np.array(Image.open(photographs / "b.png"))
    image[5, 5] ^= 1
    Image.fromarray(image).save(photographs / "b.png")
    write_tfrecord(photographs, path, shards=3)
    assert open_source(path, 3).fingerprint != before


@pytest.mark.parametrize("arguments,code,message", [
    (["--input={full}", "--output={new}.tfrecord", "--shards=5"], 1,
     "4 images do not fill 5 shards; ask for 4 or fewer"),
    (["--input={full}", "--output={new}.tfrecord", "--shards=3", "--max_files=2"], 1, "2 images do not fill 3 shards"),
    (["--input={full}", "--output={new}.tfrecord", "--shards=0"], 2, "shards"),
    (["--input={full}", "--output={new}.h5", "--shards=2"], 2, "--shards goes with an --output that ends in .tfrecord"),
    (["--input={set}", "--output={new}", "--shards=2"], 2, "--shards goes with"),
    (["--input={set}", "--output={new}.h5", "--order=published"], 2, "--order goes with a folder of images"),
    (["--input={set}", "--output={full}"], 2, "is not empty"),
    (["--input={set}", "--output={full}/a.png"], 2, "exists and is not a folder"),
    (["--input={set}", "--output={new}.h5", "--smallest=90"], 1, "no usable image, 4 skipped"),
    (["--input={full}", "--output={new}.tfrecord", "--smallest=90"], 1, "no usable image, 4 skipped"),
    (["--input={full}/a.png", "--output={new}.tfrecord"], 1, "expected a folder of images, an HDF5 file (.h5) or"),
    (["--input={new}", "--output={new}.tfrecord"], 1, "no such folder"),
    (["--input={full}", "--output={full}/a.png/x.tfrecord"], 2, "exists and is not a folder"),
])  # fmt: skip
def test_errors_of_prepare(capfd, tmp_path, photographs, arguments, code, message):
    write_tfrecord(photographs, tmp_path / "set.tfrecord", shards=1)
    places = {"set": tmp_path / "set.tfrecord", "full": photographs, "new": tmp_path / "absent"}
    fails(capfd, code, message, "prepare", *[argument.format(**places) for argument in arguments])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "set-00000-of-00001.tfrecord"]


def test_preparing_needs_no_tensorflow(photographs, tmp_path):
    import subprocess
    import sys

    program = f"""
import sys
from ssdn_keras.data.convert import write_folder, write_tfrecord
write_tfrecord({str(photographs)!r}, {str(tmp_path / "x.tfrecord")!r})
write_folder({str(tmp_path / "x.tfrecord")!r}, {str(tmp_path / "out")!r})
assert not {{"keras", "tensorflow"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "out") == [f"{i:08d}.png" for i in range(4)]
