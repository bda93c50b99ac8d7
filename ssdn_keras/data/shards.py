"""Names of TFRecord files: one file, or a numbered set such as photos-00000-of-00016.tfrecord."""

import glob
import re
from pathlib import Path

from ssdn_keras.data.images import list_images

TFRECORD_SUFFIXES = (".tfrecord", ".tfrecords")
# Others write the number behind the suffix, or no suffix at all.
_NUMBERED = re.compile(r"(?P<head>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})(?P<tail>\.[^.]+)?")
_SOME = 5  # that many missing files are named


def shard_name(path, number, total):
    """Path of file `number` of a set of `total`, of the name `path`: a/x.tfrecord → a/x-00003-of-00016.tfrecord."""
    path = Path(path)
    return path.with_name(f"{path.stem}-{number:05d}-of-{total:05d}{path.suffix}")


def existing_shards(path):
    """All files of the name `path`, of any number of shards, sorted."""
    path = Path(path)
    pattern = "[0-9]" * 5
    return sorted(path.parent.glob(f"{glob.escape(path.stem)}-{pattern}-of-{pattern}{glob.escape(path.suffix)}"))


def _is_shard(path):
    match = _NUMBERED.fullmatch(path.name)
    names = [path.name] if match is None else [match["head"], match["tail"] or ""]
    return not path.name.startswith(".") and any(name.lower().endswith(TFRECORD_SUFFIXES) for name in names)


def names_tfrecord(path):
    """Whether a path means TFRecord files: a file or set of that suffix, a pattern with *, or a folder of shards."""
    path = Path(path)
    if path.is_dir():
        return any(_is_shard(child) for child in path.iterdir())
    return _is_shard(path) or ("*" in str(path) and not path.exists())


def find_shards(path):
    """The files of a file, a set, a pattern or a folder, in the order in which they are read.

    Args:
        path: a file; a pattern with *; a folder that holds one set, or files without numbers; or the name that
            `prepare` was given, photos.tfrecord for photos-00000-of-00016.tfrecord and the others.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: shards of a set are missing, or a folder holds several sets, or images beside them.
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        return [path]
    if "*" in str(path):
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True)) if Path(name).is_file()]
        if not found:
            raise FileNotFoundError(f"{path}: no file of this pattern")
        other = [file for file in found if not _is_shard(file) and not _NUMBERED.fullmatch(file.name)]
        if other:
            raise ValueError(f"{path}: expected a pattern of TFRecord files, it finds {other[0]}")
    else:
        found = existing_shards(path)
        if not found:
            raise FileNotFoundError(f"{path}: no such file, and no set {path.stem}-*-of-*{path.suffix}")
    sets = _by_set(found)
    if "*" not in str(path) and len(sets) > 1:
        raise ValueError(_several(path, sets))
    for files in sets.values():
        _check_complete(files)
    return found


def _of_folder(folder):
    found = sorted(child for child in folder.iterdir() if _is_shard(child))
    sets = _by_set(found)
    if len(sets) > 1:
        raise ValueError(_several(folder, sets))
    try:
        images = list_images(folder)
    except FileNotFoundError:
        images = []
    if images:
        raise ValueError(f"{folder}: holds TFRecord files and images ({images[0]}); give a pattern such as {found[0]}")
    _check_complete(found)
    return found


def _by_set(files):
    """Dict of sets, (folder, what their names have in common), to their files; files without numbers are one set."""
    sets = {}
    for file in files:
        match = _NUMBERED.fullmatch(file.name)
        key = (match["head"], f"-*-of-{match['total']}{match['tail'] or ''}") if match else ("*", file.suffix)
        sets.setdefault((file.parent, "".join(key)), []).append(file)
    return sets


def _several(path, sets):
    return f"{path}: holds several sets, give one of them: {', '.join(str(folder / name) for folder, name in sets)}"


def _check_complete(files):
    match = _NUMBERED.fullmatch(files[0].name)
    if match is None:
        return
    total = int(match["total"])
    there = {file.name for file in files}
    names = [f"{match['head']}-{i:05d}-of-{match['total']}{match['tail'] or ''}" for i in range(total)]
    missing = [name for name in names if name not in there]
    if missing:
        more = f" and {len(missing) - _SOME} more" if len(missing) > _SOME else ""
        are = "is" if len(missing) == 1 else "are"
        raise ValueError(
            f"{files[0].parent}: {len(missing)} of {total} shards {are} missing: {', '.join(missing[:_SOME])}{more}"
        )
