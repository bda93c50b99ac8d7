"""Image files of every kind: what is read is what was written, and what is written is the same kind of file."""

import numpy as np
import pytest
import tifffile
from conftest import smooth_image
from PIL import Image

from ssdn_keras.data.formats import create_maps, create_pages, open_pages
from ssdn_keras.data.formats.png16 import encode
from ssdn_keras.data.images import ImageError


def copy(source, target, dtype=None, change=lambda values: values):
    """Read all pages and write them again."""
    with open_pages(source) as reader, create_pages(target, reader, dtype) as writer:
        for index in range(len(reader.pages)):
            page = reader.read(index)
            assert (*page.values.shape, page.values.dtype.name) == tuple(reader.pages[index])
            writer.write(index, change(page.values), page.alpha)


def described(path):
    """Everything of a TIFF file that must survive."""
    names = ("ImageDescription", "XResolution", "YResolution", "ResolutionUnit", "Software", "Orientation", "Predictor",
             "IJMetadata", "Compression", "PhotometricInterpretation", "PlanarConfiguration", "ExtraSamples",
             "TileWidth", "RowsPerStrip", "InterColorProfile", "DateTime")  # fmt: skip
    with tifffile.TiffFile(path) as file:
        tags = [{name: page.tags[name].value for name in names if name in page.tags} for page in file.pages]
        series = [(s.axes, s.shape, s.dtype, s.kind) for s in file.series]
        return file.is_bigtiff, file.byteorder, tags, series, [s.asarray() for s in file.series]


def random(shape, dtype):
    values = np.random.RandomState(0).uniform(-200 if np.dtype(dtype).kind in "if" else 0, 250, shape)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float16", "float32"])
@pytest.mark.parametrize("options", [
    {}, {"tile": (16, 32)}, {"compression": "zlib"}, {"compression": "zlib", "tile": (16, 16)}, {"bigtiff": True},
    {"byteorder": ">"}, {"imagej": True, "metadata": {"axes": "ZCYX"}, "resolution": (3.5, 2)}, {"metadata": None},
    {"ome": True, "metadata": {"axes": "CZYX", "PhysicalSizeX": 0.5}}, {"ome": True, "metadata": {"axes": "ZCYX"}},
    {"truncate": True}, {"compression": "lzw", "predictor": True}, {"compression": "zstd"}, {"rowsperstrip": 5},
])  # fmt: skip
def test_stacks_are_written_as_they_were_read(tmp_path, dtype, options):
    if options.get("imagej") and dtype in ("int16", "float16"):
        pytest.skip("ImageJ has no such type")
    if (options.get("predictor") or options.get("ome")) and dtype == "float16":
        pytest.skip("there is no such file")
    predictor = {"predictor": 3} if options.get("predictor") and dtype == "float32" else {}
    array = random((3, 2, 21, 34), dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", **{**options, **predictor})
    channels = 2 if "axes" in (options.get("metadata") or {}) else 1
    with open_pages(tmp_path / "a.tif") as reader:
        assert {page.channels for page in reader.pages} == {
            3 if channels == 2 and "C" == options["metadata"]["axes"][0] else channels
        }
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    before, after = described(tmp_path / "a.tif"), described(tmp_path / "b.tif")
    if options.get("truncate"):  # all planes have a directory of their own afterwards
        before, after = before[:2] + before[3:], after[:2] + after[3:]
    for one, other in zip(before[:-1], after[:-1], strict=True):
        assert one == other
    for one, other in zip(before[-1], after[-1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape,options", [
    ((21, 34, 3), {"photometric": "rgb"}),
    ((3, 21, 34), {"photometric": "rgb", "planarconfig": "separate"}),
    ((21, 34, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"], "iccprofile": b"0" * 130}),
    ((21, 34, 3), {"photometric": "rgb", "resolution": (300, 300, "inch")}),
    ((21, 34, 2), {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}),
    ((2, 21, 34), {"photometric": "minisblack", "planarconfig": "separate"}),
    ((21, 34, 4), {"photometric": "minisblack", "planarconfig": "contig", "tile": (16, 16), "compression": "zlib"}),
    ((21, 34), {"photometric": "miniswhite", "extratags": [(274, 3, 1, 6, True)]}),
    ((1, 1), {"photometric": "minisblack"}),
])  # fmt: skip
def test_single_pages_are_written_as_they_were_read(tmp_path, shape, options):
    tifffile.imwrite(tmp_path / "a.tif", random(shape, "uint16"), **options)
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    before, after = described(tmp_path / "a.tif"), described(tmp_path / "b.tif")
    assert before[:-1] == after[:-1]
    np.testing.assert_array_equal(before[-1][0], after[-1][0])


def test_alpha_is_not_a_channel(tmp_path):
    array = random((20, 30, 4), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    copy(tmp_path / "a.tif", tmp_path / "b.tif", change=lambda values: values // 2)
    result = tifffile.imread(tmp_path / "b.tif")
    np.testing.assert_array_equal(result[..., 3], array[..., 3])
    np.testing.assert_array_equal(result[..., :3], array[..., :3] // 2)


def test_palettes_become_colour(tmp_path):
    indices, colours = (
        random((20, 30), "uint8"),
        np.random.RandomState(1).randint(0, 256, (3, 256)).astype("uint16") * 257,
    )
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=colours)
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), np.moveaxis(colours[:, indices] >> 8, 0, -1))


def test_pages_of_different_sizes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for shape, dtype in (((20, 30), "uint8"), ((7, 9), "uint16"), ((20, 30, 3), "float32")):
            file.write(random(shape, dtype), photometric="rgb" if len(shape) == 3 else "minisblack")
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    before, after = described(tmp_path / "a.tif"), described(tmp_path / "b.tif")
    assert before[:-1] == after[:-1] and len(before[-1]) == 3


def test_another_type_is_told_to_the_description(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", random((2, 20, 30), "uint16"), ome=True, metadata={"axes": "ZYX"})
    copy(tmp_path / "a.ome.tif", tmp_path / "b.ome.tif", "float32", lambda values: values.astype("float32"))
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
        assert file.series[0].dtype == np.float32 and 'Type="float"' in file.ome_metadata


@pytest.mark.parametrize(
    "name", ["rgb.png", "grey.png", "rgba.png", "la.png", "c.jpg", "g.jpeg", "c.webp", "a.webp", "c.bmp", "g.bmp"]
)
def test_eight_bit_files(tmp_path, name):
    picture = Image.fromarray(smooth_image(0, 30, 41))
    kind = name.partition(".")[0]
    if kind in ("grey", "g"):
        picture = picture.convert("L")
    if kind in ("rgba", "a", "la"):
        picture = picture.convert("LA" if kind == "la" else "RGB")
        picture.putalpha(Image.fromarray(smooth_image(1, 30, 41, channels=1)))
    options = {"lossless": True, "exact": True} if name.endswith("webp") else {"quality": 95}
    exif = Image.Exif()
    exif[274] = 6
    picture.save(tmp_path / name, **options, **({} if name.endswith("bmp") else {"exif": exif}))
    (tmp_path / "out").mkdir()
    copy(tmp_path / name, tmp_path / "out" / name)
    before, after = Image.open(tmp_path / name), Image.open(tmp_path / "out" / name)
    assert (before.format, before.mode, before.size) == (after.format, after.mode, after.size)
    assert before.getexif().get(274) == after.getexif().get(274)
    difference = np.abs(np.asarray(before).astype(int) - np.asarray(after))
    assert difference.max() <= (6 if "jp" in name else 0)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png(tmp_path, channels):
    array = np.random.RandomState(0).randint(0, 65536, (20, 30, channels)).astype("uint16")
    (tmp_path / "a.png").write_bytes(encode(array))
    with open_pages(tmp_path / "a.png") as reader:
        page = reader.read(0)
        assert reader.pages[0] == (20, 30, 3 if channels > 2 else 1, "uint16")
    np.testing.assert_array_equal(page.values, array[..., : page.values.shape[-1]])
    copy(tmp_path / "a.png", tmp_path / "b.png")
    with open_pages(tmp_path / "b.png") as reader:
        again = reader.read(0)
    np.testing.assert_array_equal(again.values, page.values)
    assert (again.alpha is None) == (page.alpha is None) == (channels in (1, 3))


def test_maps_are_floats_beside_any_file(tmp_path):
    Image.fromarray(smooth_image(0, 20, 30)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", random((3, 2, 20, 30), "uint16"), imagej=True, metadata={"axes": "ZCYX"})
    for name, pages in (("a.png", 1), ("a.tif", 3)):
        with open_pages(tmp_path / name) as reader, create_maps(tmp_path / "map.tif", reader) as writer:
            for index, shape in enumerate(reader.pages):
                writer.write(index, np.full(shape[:3], 0.5, "float32"))
        with open_pages(tmp_path / "map.tif") as reader, open_pages(tmp_path / name) as other:
            assert [page[:3] for page in reader.pages] == [page[:3] for page in other.pages] and len(
                reader.pages
            ) == pages
            assert reader.pages[0].dtype == "float32"


def tiff(tmp_path, **options):
    tifffile.imwrite(tmp_path / "whole.tif", random((4, 40, 50), "uint16"), photometric="minisblack", **options)
    return (tmp_path / "whole.tif").read_bytes()


@pytest.mark.parametrize("name,make,message", [
    ("a.tif", lambda p: b"", "empty"), ("a.png", lambda p: b"", "empty"),
    ("a.tif", lambda p: tiff(p)[:9000], "truncated|damaged"),
    ("a.tif", lambda p: tiff(p, compression="zlib")[:9000], "truncated|damaged"),
    ("a.tif", lambda p: tiff(p)[:40], "damaged"), ("a.png", lambda p: tiff(p), "must end in .tif"),
    ("a.tif", lambda p: encode(np.zeros((4, 4, 3), "uint16")), "holds no TIFF"),
    ("a.png", lambda p: b"hello" * 9, "not an image"),
    ("a.png", lambda p: encode(random((90, 90, 3), "uint16"))[:-3000], "truncated|damaged|broken"),
])  # fmt: skip
def test_files_that_cannot_be_read(tmp_path, name, make, message):
    (tmp_path / name).write_bytes(make(tmp_path))
    with pytest.raises(ImageError, match=message):
        with open_pages(tmp_path / name) as reader:
            for index in range(len(reader.pages)):
                reader.read(index)


def test_too_many_pixels(tmp_path):
    Image.new("L", (400, 300)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((300, 400), "uint8"))
    for name in ("a.png", "a.tif"):
        with pytest.raises(ImageError, match="400×300 pixels, more than the limit of 100000.*--max_pixels"):
            open_pages(tmp_path / name, max_pixels=100_000)


def test_a_file_that_cannot_hold_the_values(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "a.jpg")
    with (
        open_pages(tmp_path / "a.jpg") as reader,
        pytest.raises(ImageError, match=r"\.jpg file holds uint8, not float32"),
    ):
        create_pages(tmp_path / "b.jpg", reader, "float32")
