"""The table: Markdown for people, CSV for programs, one list of cells for both and for the page."""

import csv
import io
from pathlib import Path

from ssdn_keras.atomic import write_atomically
from ssdn_keras.reproduction import rows as published


def _number(value, digits):
    return "–" if value is None else f"{value:.{digits}f}"


def _seconds(value):
    return "–" if value is None else f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def cells(outcomes, set_names, noise, channels=3):
    """Header and one list of cells (text) per outcome. Published figures are shown for what they are of."""
    comparable = noise == published.PUBLISHED_NOISE and channels == 3
    known_sets = [name for name in set_names if name in ("kodak", "bsd300")] if comparable else []
    header = ["method", "level known"]
    for name in set_names:
        header += [f"{name} dB", f"{name} SSIM"]
    header += [f"report {name} dB" for name in known_sets] + [f"paper {name} dB" for name in known_sets]
    header += ["images seen", "parameters", "s per training image", "× N2V"]
    n2v = next((outcome.seconds_per_image for outcome in outcomes if outcome.row.name == "n2v"), None)
    lines = []
    for outcome in outcomes:
        row = outcome.row
        line = [row.title, "yes" if row.level_known else "no"]
        for name in set_names:
            values = outcome.averages.get(name, {})
            line += [_number(values.get("psnr_denoised"), 2), _number(values.get("ssim_denoised"), 3)]
        line += [_number(row.report.get(name), 2) for name in known_sets]
        line += [_number(row.paper.get(name), 2) for name in known_sets]
        line.append("–" if outcome.images_seen is None else f"{outcome.images_seen:,}")
        line.append("–" if outcome.parameters is None else f"{outcome.parameters:,}")
        line.append(_seconds(outcome.seconds_per_image))
        ratio = outcome.seconds_per_image / n2v if outcome.seconds_per_image and n2v else None
        lines.append([*line, _number(ratio, 1)])
    return header, lines


def markdown(header, lines, notes):
    """A Markdown table with aligned source and a list of notes below."""
    widths = [max(len(line[i]) for line in (header, *lines)) for i in range(len(header))]

    def join(line):
        padded = [cell.ljust(widths[i]) if i < 2 else cell.rjust(widths[i]) for i, cell in enumerate(line)]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * width if i < 2 else "-" * (width - 1) + ":") for i, width in enumerate(widths)]
    table = "\n".join([join(header), f"| {' | '.join(rule)} |", *map(join, lines)])
    return table + "\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"


def as_csv(header, lines):
    """CSV text: numbers without thousands separators, empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for line in lines:
        writer.writerow(
            ["" if cell == "–" else cell.replace(",", "") if i > 1 else cell for i, cell in enumerate(line)]
        )
    return text.getvalue()


def write(out, header, lines, notes):
    """Write table.md and table.csv."""
    for name, text in (("table.md", markdown(header, lines, notes)), ("table.csv", as_csv(header, lines))):
        write_atomically(Path(out) / name, lambda temporary, text=text: Path(temporary).write_text(text))
