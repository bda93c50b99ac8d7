"""How accurate the diagnosis is: noise of known level, gain and correlation is added to a folder of clean images.

    python benchmarks/diagnose_accuracy.py kodak/ --output=accuracy.json

Prints a table for docs/diagnose.md. Noise is not clipped, unless a line says so.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ssdn_keras.diagnosis.blocking import blocking
from ssdn_keras.diagnosis.measure import combine, measure
from ssdn_keras.diagnosis.reading import as_picture, list_files

LEVELS = (5, 10, 15, 25, 35, 50)
GAINS = ((0.2, 3), (0.5, 3), (1, 5), (2, 5), (4, 10), (1, 15))
JPEG_LEVELS, JPEG_QUALITIES = (0, 5, 15, 30), (60, 75, 85, 90, 95)
BLUR = 0.7
CASES = 100


def gaussian(shape, level, generator, blur=0.0):
    """White or blurred Gaussian noise whose standard deviation, after blurring, is `level`."""
    noise = generator.standard_normal(shape)
    if blur:
        point = np.zeros((65, 65))
        point[32, 32] = 1.0
        gain = np.sqrt(np.square(ndimage.gaussian_filter(point, blur, truncate=6)).sum())
        noise = ndimage.gaussian_filter(noise, (blur, blur, 0), truncate=6, mode="wrap") / gain
    return level * noise


def as_eight_bit(noisy):
    """What an 8-bit file keeps."""
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def measured(name, noisy):
    """`Measurement` of an array."""
    return measure(as_picture(name, noisy, "array"))


def percent(values):
    """(mean, largest absolute, share within 5 %, within 10 %) of relative errors, in percent."""
    errors = 100 * np.asarray(values)
    return {
        "mean": errors.mean(), "median": np.median(errors), "largest": np.abs(errors).max(),
        "within_5": 100 * np.mean(np.abs(errors) <= 5), "within_10": 100 * np.mean(np.abs(errors) <= 10),
    }  # fmt: skip


def levels(images, convert, blur=0.0):
    """σ of every image, and of all together."""
    for level in LEVELS:
        found = []
        for number, (name, clean) in enumerate(images):
            noise = gaussian(clean.shape, level, np.random.default_rng([1, level, number]), blur)
            found.append(measured(name, convert(clean + noise)))
        errors = percent([one.level / level - 1 for one in found])
        overall = combine(found)
        yield {"level": level, **errors, "folder": 100 * (overall.level / level - 1)}


def gains(images, convert):
    """Gain and read noise of every image, and of all together."""
    for gain, read in GAINS:
        found = []
        for number, (name, clean) in enumerate(images):
            generator = np.random.default_rng([2, int(10 * gain), number])
            noisy = gain * generator.poisson(clean / gain) + read * generator.standard_normal(clean.shape)
            found.append(measured(name, convert(noisy)))
        fit = combine(found).fit
        yield {
            "gain": gain, "read": read,
            "gain_per_image": percent([one.fit.gain / gain - 1 for one in found]),
            "read_per_image": percent([one.fit.read_noise()[0] / read - 1 for one in found]),
            "gain_folder": 100 * (fit.gain / gain - 1), "read_folder": 100 * (fit.read_noise()[0] / read - 1),
        }  # fmt: skip


def flags(images, blur, convert):
    """In how many of `CASES` single images, of levels from 5 to 50, noise is taken for correlated."""
    flagged = []
    for case in range(CASES):
        name, clean = images[case % len(images)]
        level = 5.0 * 10.0 ** (case / (CASES - 1))
        noise = gaussian(clean.shape, level, np.random.default_rng([3, case]), blur)
        flagged.append(bool(measured(name, convert(clean + noise)).correlated))
    return sum(flagged)


def jpeg(images):
    """In how many of every second image the 8×8 grid of JPEG is found, and found at its place."""
    for level in JPEG_LEVELS:
        for quality in (*JPEG_QUALITIES, None):
            found = 0
            for number, (_, clean) in enumerate(images[::2]):
                noisy = as_eight_bit(clean + gaussian(clean.shape, level, np.random.default_rng(number)))
                if quality:
                    file = io.BytesIO()
                    Image.fromarray(noisy).save(file, "JPEG", quality=quality)
                    noisy = np.asarray(Image.open(file))
                grid = blocking(noisy.astype(np.float32))
                found += grid["row"] is not None if quality is None else (grid["row"], grid["column"]) == (0, 0)
            yield {"level": level, "quality": quality, "found": found, "images": len(images[::2])}


def gain_line(row):
    """A line of `gains` in words."""
    gain, read = row["gain_per_image"], row["read_per_image"]
    return (
        f"gain {row['gain']:g}, read noise {row['read']:g}: all images {row['gain_folder']:+.1f} %, "
        f"{row['read_folder']:+.1f} %; single images within 10 %: {gain['within_10']:.0f} %, {read['within_10']:.0f} "
        f"%; median {gain['median']:+.1f} %, {read['median']:+.1f} %"
    )


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="clean images")
    parser.add_argument("--output", help="JSON file for all figures")
    parser.add_argument("--parts", default="levels,gains,flags,jpeg", help="some of these")
    parser.add_argument("--limit", type=int, help="use only the first so many images")
    arguments = parser.parse_args()
    images = [
        (path.name, np.asarray(Image.open(path).convert("RGB"), np.float64))
        for path in list_files([arguments.folder])[: arguments.limit]
    ]
    record = {}
    if "jpeg" in arguments.parts:
        record["jpeg"] = list(jpeg(images))
        for row in record["jpeg"]:
            print(f"JPEG of quality {row['quality']}, σ {row['level']}: {row['found']} of {row['images']}", flush=True)
    for words, convert in (("not clipped", np.float32), ("8 bits", as_eight_bit)):
        part = record[words] = {}
        if "levels" in arguments.parts:
            part["levels"] = []
            for row in levels(images, convert):
                part["levels"].append(row)
                print(f"{words}: σ {row['level']:g}: all images {row['folder']:+.1f} %; single images: mean "
                      f"{row['mean']:+.1f} %, within 5 %: {row['within_5']:.0f} %, largest {row['largest']:.1f} %",
                      flush=True)  # fmt: skip
        if "gains" in arguments.parts:
            part["gains"] = []
            for row in gains(images, convert):
                part["gains"].append(row)
                print(f"{words}: {gain_line(row)}", flush=True)
        if "flags" in arguments.parts:
            part["flagged"] = {"white": flags(images, 0.0, convert), "blurred": flags(images, BLUR, convert)}
            print(f"{words}: taken for correlated: white {part['flagged']['white']} of {CASES}, blurred by {BLUR} "
                  f"{part['flagged']['blurred']} of {CASES}", flush=True)  # fmt: skip
    if arguments.output:
        Path(arguments.output).write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
