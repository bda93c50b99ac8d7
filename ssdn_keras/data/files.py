"""Which files are denoised, and where the results go."""

from pathlib import Path

from ssdn_keras.data.images import SUFFIXES, SUFFIXES_IN_WORDS, list_images


def std_path(target):
    """The file of standard deviations beside a result."""
    return target.with_name(target.name + ".std.tif")


def collect(arguments, output, std=False):
    """Pairs (input file, output file) for files and folders; below a folder, names keep their relative path.

    Files below the output folder, where it lies in one of the input folders, are results and no inputs.

    Args:
        arguments: files and folders.
        output: folder.
        std: whether a file of standard deviations is written beside each result.

    Raises:
        FileNotFoundError: a file or folder does not exist, or a folder holds no image.
        ValueError: two inputs would be written to the same file, or one over itself or another.
    """
    pairs, output = [], Path(output)
    for argument in map(Path, arguments):
        if argument.is_dir():
            found = list_images(argument)
            inside = output.resolve() != argument.resolve() and argument.resolve() in output.resolve().parents
            if inside:
                found = [path for path in found if output.resolve() not in path.resolve().parents]
            pairs += [(path, output / path.relative_to(argument)) for path in found]
        elif argument.is_file():
            if argument.suffix.lower() not in SUFFIXES:
                raise ValueError(f"{argument}: expected a {SUFFIXES_IN_WORDS} file")
            pairs.append((argument, output / argument.name))
        else:
            raise FileNotFoundError(f"{argument}: no such file or folder")
    targets, sources = {}, {source.resolve(): source for source, _ in pairs}
    for source, target in pairs:
        for written in (target, std_path(target)) if std else (target,):
            if written in targets and targets[written] != source:
                raise ValueError(f"{source} and {targets[written]} would both be written to {written}")
            over = sources.get(written.resolve())
            if over is not None:
                what = "its own result" if over == source else f"the result of {source}"
                raise ValueError(f"{over}: would be overwritten by {what}; give another --output")
            targets[written] = source
    return sorted(dict.fromkeys(pairs), key=lambda pair: (pair[1], pair[0]))


def shard(pairs, text):
    """Every n-th of the pairs, from the i-th on, for I/N; all for None.

    Raises:
        ValueError: the text is not two numbers of which the first is from 1 to the second.
    """
    if text is None:
        return pairs
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"shard {text!r}: expected I/N, such as 1/4 for the first of four")
    number, count = map(int, parts)
    if not 1 <= number <= count:
        raise ValueError(f"shard {text!r}: the first number must be from 1 to {count}")
    return pairs[number - 1 :: count]
