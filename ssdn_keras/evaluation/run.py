"""Evaluating a model on test sets by the published protocol."""

import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdn_keras.data.images import ImageError, save_image
from ssdn_keras.data.read import read_image
from ssdn_keras.evaluation import metrics, protocol, report

# Pictures of the posterior standard deviation: white is 1/8 of the range of the image, 32 of 255 grey levels.
STD_GAIN = 8


def _one(model, spec, clean, seed, index, repeat, self_ensemble):
    test_image = protocol.corrupt(clean, spec, seed, index, repeat)
    outputs = protocol.denoise(model, test_image, self_ensemble)
    row = protocol.score(clean, test_image, outputs)
    row.update(spec.named(np.multiply(test_image.parameter, spec.level_scale)))
    if model.estimated:
        # In the units of the noise that was added, which are not the model's own if that has a range of values.
        units = spec.level_scale / model.noise.level_scale
        for name, value in protocol.estimated_levels(model, outputs).items():
            row[f"estimated_{name.removeprefix('noise_')}"] = value * units
    pictures = {"noisy": test_image.crop(test_image.noisy)}
    pictures.update({name: outputs[name] for name in ("mean", "denoised") if name in outputs})
    pictures = {name: metrics.to_uint8(picture) for name, picture in pictures.items()}
    if "std" in outputs:
        pictures["std"] = metrics.to_uint8(np.mean(outputs["std"], axis=-1, keepdims=True) * STD_GAIN)
    return row, pictures


def evaluate_set(
    model,
    test_set,
    spec,
    seed=0,
    repeats=None,
    limit=None,
    picture_folder=None,
    kinds=("clean", "noisy", "mean", "denoised"),
    done=None,
    on_image=None,
    self_ensemble=False,
):
    """Rows of results for every image and repeat of a test set.

    Args:
        model: `Denoiser` or `ClassicalDenoiser`.
        test_set: `protocol.TestSet`.
        spec: `NoiseSpec` with levels, the noise that is added.
        seed: of the noise.
        repeats: instead of the set's own.
        limit: use only the first images.
        picture_folder: where to write images of the first repeat, or None.
        kinds: which: clean, noisy, mean, denoised, std (posterior standard deviation).
        done: `RowsFile` of rows that exist; new ones are added to it.
        self_ensemble: average over rotations and reflections of each image.
        on_image: called after every image and repeat with the number of pixels and whether it was new.

    Returns:
        (rows, number of images, repeats).

    Raises:
        ValueError: no readable image.
    """
    repeats = repeats or test_set.repeats
    paths = test_set.paths()[:limit]
    rows, used = [], 0
    with tqdm(total=len(paths) * repeats, desc=test_set.name, unit="image", file=sys.stderr, leave=None) as bar:
        for index, path in enumerate(paths):
            name = str(path.relative_to(test_set.folder))
            try:
                clean = read_image(path, model.channels)
            except ImageError as error:
                bar.write(f"skipped {path}: {error}", file=sys.stderr)
                bar.update(repeats)
                continue
            used += 1
            for repeat in range(repeats):
                row = done.get(name, repeat) if done is not None else None
                new = row is None
                if new:
                    row, pictures = _one(model, spec, clean, seed, index, repeat, self_ensemble)
                    row = {"set": test_set.name, "image": name, "repeat": repeat, **row}
                    if picture_folder and repeat == 0:
                        pictures["clean"] = clean
                        save_pictures(
                            Path(picture_folder) / test_set.name, name, {k: pictures[k] for k in kinds if k in pictures}
                        )
                    if done is not None:
                        done.add(row)
                if on_image:
                    on_image(clean.shape[0] * clean.shape[1], new)
                rows.append(row)
                bar.update()
                bar.set_postfix(psnr=f"{np.mean([r['psnr_denoised'] for r in rows]):.2f}")
    if not rows:
        raise ValueError(f"{test_set.folder}: no readable image among {len(paths)} files")
    return rows, used, repeats


def picture_path(folder, name, kind):
    """Where `save_pictures` puts a picture of the image `name`: NAME-SUFFIX-KIND.png below `folder`."""
    name = Path(name)
    return Path(folder) / name.parent / f"{name.stem}-{name.suffix.lstrip('.').lower()}-{kind}.png"


def save_pictures(folder, name, pictures):
    """Write the pictures of an image, a dict of kind to uint8 array, below `folder`."""
    for kind, picture in pictures.items():
        target = picture_path(folder, name, kind)
        target.parent.mkdir(parents=True, exist_ok=True)
        save_image(target, picture)


def evaluate(model, test_sets, spec, output=None, save_images=False, record=None, **options):
    """Evaluate on several test sets, print the table and write the files.

    Args:
        model, spec: see `evaluate_set`; `options` go to it as well.
        test_sets: list of `protocol.TestSet`.
        output: folder for per_image.csv, results.json and images, or None.
        save_images: write pictures as well.
        record: dict of what to keep in results.json beside the figures.

    Returns:
        dict of test set name to averages.
    """
    all_rows, table = [], {}
    for test_set in test_sets:
        pictures = Path(output) / "images" if output and save_images else None
        rows, used, repeats = evaluate_set(model, test_set, spec, picture_folder=pictures, **options)
        all_rows += rows
        table[test_set.name] = (used, repeats, report.averages(rows))
    if output:
        report.write_csv(Path(output) / "per_image.csv", all_rows)
        sets = {name: {"images": n, "repeats": r, **values} for name, (n, r, values) in table.items()}
        report.write_json(Path(output) / "results.json", {**(record or {}), "sets": sets, "rows": all_rows})
    print(report.as_table(table))
    for name, (_, _, values) in table.items():
        if spec.is_clipped:
            print(f"{name}: {values[report.INSIDE]:.2f} dB where the clean value is neither 0 nor 255")
        if "estimated_level" in values:
            print(f"{name}: estimated noise level {values['estimated_level']:.2f} ({spec.unit}), added {spec}")
        elif estimated := report.estimates(values):
            shown = ", ".join(f"{what.replace('_', ' ')} {value:.2f}" for what, value in estimated.items())
            print(f"{name}: estimated {shown} ({spec.unit}), added {spec}")
    return {name: values for name, (_, _, values) in table.items()}
