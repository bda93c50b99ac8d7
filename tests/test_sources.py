"""Training images from arrays, folders and HDF5 files: what is left out, what fits into memory, what breaks."""

import shutil
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from command_line import fails, run
from conftest import smooth_image
from PIL import Image

from ssdn_keras.data import ArraySource, FolderSource, HDF5Source, common, folder_source, open_source, training_crops
from ssdn_keras.data.convert import write_hdf5, write_tfrecord
from ssdn_keras.data.images import ImageError, image_size, to_channels
from ssdn_keras.data.memory import Cache, free_memory
from ssdn_keras.data.read import read_image
from ssdn_keras.data.readable import Readable


def crops(images, count=8, **options):
    """Inputs and targets of a few crops, as arrays."""
    options = {"noise": "gauss25", "crop": 24, "minibatch": 2, "count": count, **options}
    return [np.array(part["noisy"]) for part, *_ in training_crops(images, **options)]


def assert_same_crops(left, right, **options):
    for a, b in zip(crops(left, **options), crops(right, **options), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def little_memory(monkeypatch):
    """Room for less than the photographs, and for keeping one of them."""
    monkeypatch.setattr(folder_source, "free_memory", lambda: 60_000)


def test_folder_and_hdf5_give_the_same_images(photographs, tmp_path):
    assert write_hdf5(photographs, tmp_path / "x.h5") == (4, 0)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["shapes"].dtype == np.int32 and file["shapes"][:].tolist() == [[3, 72, 80]] * 4
        assert file["images"][0].dtype == np.uint8 and file["images"][0].shape == (3 * 72 * 80,)
    folder, hdf5 = open_source(photographs, 3), HDF5Source(tmp_path / "x.h5", 3)
    assert len(folder) == len(hdf5) == 4
    for i in range(4):
        np.testing.assert_array_equal(folder.image(i), hdf5.image(i))


def test_unreadable_and_small_files_are_named_skipped_and_counted(photographs, capsys):
    truncated = (photographs / "c.jpg").read_bytes()
    (photographs / "cut.jpg").write_bytes(truncated[: len(truncated) // 2])
    (photographs / "text.png").write_text("no image")
    Image.new("RGB", (200, 10)).save(photographs / "small.png")
    source = open_source(photographs, 3, smallest=64)
    said = capsys.readouterr().err
    assert len(source) == 4 and len(source.skipped) == 3
    assert all(name in said for name in ("cut.jpg", "text.png", "small.png")) and "4 images used, 3 skipped" in said


def test_modes_of_files(tmp_path):
    colour = smooth_image(0, 16, 20)
    rgb = Image.fromarray(colour)
    alpha = rgb.copy()
    alpha.putalpha(7)
    grey = Image.fromarray(colour[..., 0])
    pictures = {"rgb": rgb, "rgba": alpha, "palette": rgb.quantize(200), "grey": grey, "la": grey.convert("LA")}
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png", 3), colour)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", 3), np.repeat(colour[..., :1], 3, axis=-1))
    np.testing.assert_array_equal(read_image(tmp_path / "la.png", 1), colour[..., :1])
    np.testing.assert_array_equal(read_image(tmp_path / "rgb.png", 1)[..., 0], np.rint(colour.mean(axis=-1)))
    assert read_image(tmp_path / "palette.png", 3).shape == (16, 20, 3)
    assert len(open_source(tmp_path, 3)) == len(open_source(tmp_path, 1)) == 5


def test_sixteen_bit_files_are_refused(tmp_path):
    Image.fromarray(np.arange(64, dtype="uint16").reshape(8, 8) * 1000).save(tmp_path / "x.png")
    with pytest.raises(ImageError, match="more than 8 bits"):
        read_image(tmp_path / "x.png", 1)


def test_sixteen_bit_colour_is_refused_too(tmp_path):
    """Pillow cannot write such a file, and reads it as 8-bit in silence."""
    raw = zlib.compress(b"".join(b"\0" + bytes(8 * 6) for _ in range(8)))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", raw) + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match="more than 8 bits"):
        read_image(tmp_path / "x.png", 3)


def test_mean_of_channels_is_rounded_not_luma():
    assert to_channels(np.array([[[10, 20, 32]]], "uint8"), 1).item() == 21


def hdf5_file(path, images=None, shapes=None):
    with h5py.File(path, "w") as file:
        if images is not None:
            file.create_dataset("images", data=images)
        if shapes is not None:
            file["shapes"] = shapes
    return path


def test_hdf5_of_the_wrong_layout(tmp_path):
    path = tmp_path / "x.h5"
    flat = np.zeros((2, 12), "uint8")
    cases = [
        (None, None, "needs the datasets"), (flat, None, "needs the datasets"),
        (flat, np.zeros((2, 3), "int32"), "variable length"),
    ]  # fmt: skip
    for data, shapes, message in cases:
        with pytest.raises(ValueError, match=message):
            open_source(hdf5_file(path, data, shapes), 3)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a readable HDF5"):
        open_source(path, 3)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("images", (1,), dtype=h5py.vlen_dtype(np.dtype("uint8")))
        data[0] = np.zeros(11, "uint8")
        file["shapes"] = np.array([[3, 2, 2]], "int32")
    with pytest.raises(ValueError, match="image 0 has 11 values"):
        open_source(path, 3).image(0)


def test_arrays_with_nan_are_refused():
    with pytest.raises(ValueError, match="image 1: contains NaN"):
        ArraySource([np.zeros((4, 4)), np.full((4, 4), np.nan)], 1)


# Folders that do not fit into memory


def bad_files(folder):
    """Beside the photographs: cut off, text, too small, 16 bits."""
    for name in ("a.png", "c.jpg"):
        whole = (folder / name).read_bytes()
        (folder / f"cut-{name}").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("no image")
    (folder / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (200, 10)).save(folder / "small.png")
    Image.fromarray(np.zeros((64, 64), "uint16")).save(folder / "deep.png")


def test_a_folder_that_does_not_fit_gives_the_same_training(photographs, monkeypatch, capsys):
    bad_files(photographs)
    fits = open_source(photographs, 3, smallest=24)
    assert fits.in_memory and "memory" not in capsys.readouterr().err
    monkeypatch.setattr(folder_source, "free_memory", lambda: 60_000)
    large = open_source(photographs, 3, smallest=24)
    said = capsys.readouterr().err
    assert not large.in_memory and "do not fit into memory" in said and "4 images used, 6 skipped" in said
    assert len(fits) == len(large) == 4 and sorted(fits.skipped) == sorted(large.skipped)
    assert fits.fingerprint == large.fingerprint
    assert_same_crops(fits, large)
    assert_same_crops(fits, large, freeze_noise=True, noise="gauss5_50")


def test_only_headers_are_read_at_the_start_and_little_is_kept(photographs, monkeypatch, little_memory):
    read = []
    decode = FolderSource._decode
    monkeypatch.setattr(FolderSource, "_decode", lambda self, file: read.append(file.path.name) or decode(self, file))
    source = FolderSource(photographs, 3)
    assert not read
    for index in (0, 0, 1, 0):
        source.image(index)
    assert read == ["a.png", "b.png", "a.png"]


def test_a_complete_photograph_with_something_behind_it_is_no_damage(photographs, little_memory):
    path = photographs / "c.jpg"
    path.write_bytes(path.read_bytes() + b"film" * 2000)
    assert len(FolderSource(photographs, 3)) == 4


def test_many_threads_may_ask(photographs, little_memory):
    source = FolderSource(photographs, 3)
    expected = [source.image(i) for i in range(4)]
    with ThreadPoolExecutor(8) as pool:
        for i, image in enumerate(pool.map(lambda i: source.image(i % 4), range(80))):
            np.testing.assert_array_equal(image, expected[i % 4])


def test_images_of_other_numbers_of_channels_are_left_out(photographs):
    source = FolderSource(photographs, 2)
    assert len(source) == 0 and {reason for _, reason in source.skipped} == {"has 3 channels, 2 are needed"}


def test_the_cache_keeps_what_was_used_last():
    cache, made = Cache(20), []
    for key in (0, 1, 0, 2, 0, 1):  # of 8 bytes each: two fit
        cache.get(key, lambda key=key: made.append(key) or np.zeros(1))
    assert made == [0, 1, 2, 1]
    assert Cache(1).get(0, lambda: np.zeros(9)).size == 9
    unlimited = Cache(None)
    assert [unlimited.get(i, lambda: np.zeros(9)).size for i in range(3)] == [9] * 3


@pytest.mark.parametrize("files,expected", [
    ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 5 kB\n"}, 5 * 1024),
    ({"proc/meminfo": "MemAvailable: 500 kB\n", "sys/fs/cgroup/memory.max": "9000",
      "sys/fs/cgroup/memory.current": "5000", "sys/fs/cgroup/memory.stat": "anon 3\ninactive_file 1000\n"}, 5000),
    ({"proc/meminfo": "MemAvailable: 5 kB\n", "sys/fs/cgroup/memory.max": "max", "sys/fs/cgroup/memory.current": "1"},
     5 * 1024),
    ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "700", "sys/fs/cgroup/memory/memory.usage_in_bytes": "800"}, 0),
])  # fmt: skip
def test_free_memory(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert free_memory(tmp_path) == expected


def test_free_memory_of_this_machine(tmp_path):
    assert free_memory() > 2**20 and (free_memory(tmp_path) or 1) > 0


def test_headers_tell_sizes(tmp_path):
    path = tmp_path / "x.png"
    Image.new("L", (30, 20)).save(path)
    assert image_size(path) == image_size(path.read_bytes()[:60]) == (20, 30)
    for content, message in ((b"", "not an image"), (path.read_bytes()[:10], "not an image")):
        with pytest.raises(ImageError, match=message):
            image_size(content)
    with pytest.raises(ImageError, match="^No such file or directory$"):
        image_size(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="not an image"):
        image_size(path, formats=("JPEG",))


# Images that cannot be read any more


def content(source, numbers):
    return np.stack([source.image(i)[:8, :8] for i in numbers])


def test_the_next_image_stands_for_one_that_is_gone(photographs, little_memory, capsys):
    source = open_source(photographs, 3)
    whole = content(source, range(4))
    numbers = [Readable(source)(i)[0] for i in range(4)]
    assert numbers == [0, 1, 2, 3]
    (photographs / "nested/d.PNG").unlink()  # the last
    source = open_source(photographs, 3)  # what is kept in memory would hide it
    assert len(source) == 3 and content(source, range(3)).tolist() == whole[:3].tolist()
    (photographs / "c.jpg").write_text("damaged")
    (photographs / "a.png").write_bytes((photographs / "b.png").read_bytes())  # as good an image as any
    readable = Readable(source)
    taken = [readable(i) for i in (0, 1, 2, 2)]
    assert [number for number, _ in taken] == [0, 1, 0, 0]
    np.testing.assert_array_equal(taken[2][1][:8, :8], whole[1])
    said = capsys.readouterr().err
    assert said.count("c.jpg: not an image, or a damaged one; the next image takes its place") == 1


def file_source(kind, folder, path):
    """An open source of a kind whose images are read when they are needed, and what damages its second image."""
    if kind == "hdf5":
        write_hdf5(folder, path / "x.h5")
        source = open_source(path / "x.h5", 3)
        return source, lambda: source._shapes.__setitem__((1, 1), 73)
    if kind == "tfrecord":
        write_tfrecord(folder, path / "x.tfrecord")
        (file,) = path.glob("x-*")

        def damage():
            data = bytearray(file.read_bytes())
            middle = data.index(b"b.png") + 2000
            data[middle] ^= 1
            file.write_bytes(data)

        return open_source(file, 3), damage
    source = open_source(folder, 3)
    return source, (folder / "b.png").unlink


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("kind", ["folder", "hdf5", "tfrecord"])
def test_a_training_goes_on_without_an_image(kind, frozen, photographs, tmp_path, little_memory, capsys):
    source, damage = file_source(kind, photographs, tmp_path)
    images = [source.image(i) for i in range(4)]
    source = file_source(kind, photographs, tmp_path)[0] if kind == "folder" else source
    if kind == "tfrecord":
        source._cache = Cache(1)
    damage()
    options = {"freeze_noise": frozen, "noise": "gauss5_50", "count": 16}
    seen = crops(source, **options)
    said = capsys.readouterr().err
    assert said.count("takes its place") == 1 and ("b.png" in said or "1" in said)
    # The same crops as if the second image were the third, but for noise that is frozen to an image.
    instead = ArraySource([images[0], images[2], images[2], images[3]], 3)
    if frozen:
        assert len(seen) == 8
    else:
        for a, b in zip(seen, crops(instead, **options), strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(seen[3:], crops(source, **{**options, "start": 6, "count": 10}), strict=True):
        np.testing.assert_array_equal(a, b)  # and the same when it goes on


class Failing:
    """A source of so many images, of which some cannot be read."""

    skipped, fingerprint = [], "none"

    def __init__(self, count, unreadable):
        self.count, self.unreadable = count, unreadable

    def __len__(self):
        return self.count

    def image(self, index):
        if index in self.unreadable:
            raise ValueError(f"image {index} is gone")
        return np.full((8, 8, 3), index, "uint8")


@pytest.mark.parametrize("count,tolerated", [(1, 0), (2, 1), (3, 1), (4, 2), (10, 2), (29, 2), (30, 3), (200, 20)])
def test_how_many_images_may_be_unreadable(count, tolerated, capsys):
    source = Failing(count, set(range(tolerated)))
    for readable in (Readable(source), Readable(source)):  # as where a training looks at its first crop beforehand
        assert all(readable(i)[0] == tolerated for i in range(tolerated))
    assert capsys.readouterr().err.count("takes its place") == tolerated
    readable = Readable(Failing(count, set(range(tolerated + 1))))
    for _ in range(2):  # and for whoever asks again
        with pytest.raises(ValueError, match=f"is gone; {tolerated + 1} of {count} images cannot be read"):
            readable(0)


def test_other_failures_are_no_damage():
    source = Failing(4, set())
    source.image = lambda index: {}["mistake"]
    with pytest.raises(KeyError):
        Readable(source)(0)


def test_a_training_ends_when_too_much_is_gone(photographs, tmp_path, monkeypatch, little_memory, capfd):
    original = folder_source.FolderSource.__init__

    def then_the_disk_is_gone(self, *arguments):
        original(self, *arguments)
        for name in ("a.png", "b.png", "c.jpg"):
            (photographs / name).unlink()

    monkeypatch.setattr(folder_source.FolderSource, "__init__", then_the_disk_is_gone)
    fails(capfd, 1, "No such file or directory; 3 of 4 images cannot be read, the training ends", "train",
          f"--train_clean={photographs}", f"--run_dir={tmp_path / 'run'}", "--images=8", "--crop=32",
          "--minibatch=2")  # fmt: skip


def test_an_image_that_changed_its_size(photographs, little_memory):
    source = FolderSource(photographs, 3)
    Image.new("RGB", (90, 100)).save(photographs / "b.png")
    with pytest.raises(ValueError, match="b.png: is 90×100 pixels now, was 80×72"):
        source.image(1)


# Fingerprints


def change_a_pixel(path):
    image = np.array(Image.open(path))
    image[40, 40] ^= 1
    Image.fromarray(image).save(path)


def test_the_fingerprint_of_a_folder(photographs, tmp_path):
    before = FolderSource(photographs, 3).fingerprint
    assert len(before) < 40 and FolderSource(photographs, 3).fingerprint == before
    shutil.copytree(photographs, tmp_path / "elsewhere")
    assert FolderSource(tmp_path / "elsewhere", 3).fingerprint == before
    seen = {before}
    change_a_pixel(photographs / "b.png")
    seen.add(FolderSource(photographs, 3).fingerprint)
    (photographs / "b.png").rename(photographs / "bb.png")
    seen.add(FolderSource(photographs, 3).fingerprint)
    (photographs / "bb.png").unlink()
    seen.add(FolderSource(photographs, 3).fingerprint)
    assert len(seen) == 4


def test_a_png_file_of_the_same_size_with_one_other_pixel(tmp_path):
    """The files differ by bytes in the middle, and by the checksum of all pixels near their end."""
    image = np.random.RandomState(0).randint(0, 256, (80, 80, 3), dtype=np.uint8)
    path, seen = tmp_path / "x.png", set()
    for _ in range(2):
        Image.fromarray(image).save(path, compress_level=0)
        seen.add((path.stat().st_size, FolderSource(tmp_path, 3).fingerprint))
        image[40, 40, 0] ^= 1
    (size, _), (other, _) = seen
    assert size == other > 3 * 4096


def test_the_fingerprint_of_arrays():
    def fingerprint(*arrays):
        return ArraySource(arrays, 3).fingerprint

    image = smooth_image(0)
    changed = image.copy()
    changed[3, 3, 0] ^= 1
    prints = [fingerprint(image), fingerprint(changed), fingerprint(image, image), fingerprint(image / 255.0),
              fingerprint(image[::-1])]  # fmt: skip
    assert len(set(prints)) == 5 and fingerprint(np.asfortranarray(image)) == prints[0]


def test_the_fingerprint_of_an_hdf5_file(photographs, tmp_path, monkeypatch):
    path = tmp_path / "x.h5"
    write_hdf5(photographs, path)
    before = HDF5Source(path, 3).fingerprint
    assert HDF5Source(path, 3).fingerprint == HDF5Source(shutil.copy(path, tmp_path / "y.h5"), 3).fingerprint == before
    with h5py.File(path, "a") as file:
        image = file["images"][2]
        file["images"][2] = image ^ 1
    assert HDF5Source(path, 3).fingerprint != before
    monkeypatch.setattr(common, "_WHOLE", 4096)
    monkeypatch.setattr(common, "_BLOCK", 512)
    sampled = common.digest_of_file(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # the last byte is always looked at, as is the first
    path.write_bytes(content)
    assert common.digest_of_file(path) != sampled


def test_a_changed_image_is_noticed_when_a_training_goes_on(photographs, tmp_path, capfd):
    arguments = [f"--train_clean={photographs}", f"--run_dir={tmp_path / 'run'}", "--images=4", "--crop=32",
                 "--minibatch=2"]  # fmt: skip
    assert run(capfd, "train", *arguments)[0] == 0
    change_a_pixel(photographs / "a.png")
    fails(capfd, 1, "the training images have changed", "train", *arguments)
