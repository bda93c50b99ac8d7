"""A diagnosis as text and as JSON."""

from ssdn_keras.diagnosis import correlation
from ssdn_keras.diagnosis.blocking import NOTICEABLE as BLOCKS_NOTICEABLE
from ssdn_keras.diagnosis.suggestion import number
from ssdn_keras.version import __version__

MARKS = {"good": "ok", "caution": "mind", "bad": "stop"}
_MOST_LINES = 20


def _figure(value):
    return "–" if value is None else number(value)


def _value(value):
    """A value of a file: six digits, with an exponent where they would not show its size."""
    return f"{value:.6g}"


def _saturation(described):
    parts = [
        f"{described[f'share_at_{end}']:.2%} at {_value(described[end])}"
        for end, clipped in (("lowest", described["clipped_low"]), ("highest", described["clipped_high"]))
        if clipped
    ]
    return ", ".join(parts) or "none"


HEADER = ("image", "type", "size", "range", "clipped", "σ", "gain", "read noise", "correlation", "JPEG blocks")


def line_of(one):
    """The cells of an image's line, as `HEADER` names them."""
    described = one.described
    nearest = None
    if one.raw_correlation is not None:
        nearest = max(correlation.nearest(one.raw_correlation), key=abs) - correlation.WHITE_BIAS
    depends = one.fit is not None and one.fit.depends
    read, certain = one.fit.read_noise() if depends else (None, False)
    return (
        described["name"], described["dtype"],
        f"{described['width']}×{described['height']}×{described['channels']}",
        f"{_value(described['lowest'])}..{_value(described['highest'])}", _saturation(described),
        one.why_not and f"not measured: {one.why_not}" or _figure(one.level), number(one.fit.gain) if depends else "–",
        number(read) if certain else "–", "–" if nearest is None else f"{nearest:+.2f}",
        "yes" if one.blocks["score"] > BLOCKS_NOTICEABLE else "no",
    )  # fmt: skip


def text(found):
    """What is printed."""
    lines = []
    shown = found.measurements[:_MOST_LINES]
    for one in shown:
        name, *cells = line_of(one)
        words = [f"{title} {cell}" for title, cell in zip(HEADER[3:], cells[2:], strict=True) if cell != "–"]
        lines += [name, f"  {cells[0]} {cells[1]}, " + ", ".join(words)]
    if len(found.measurements) > len(shown):
        lines.append(f"… and {len(found.measurements) - len(shown)} images more")
    if found.looked_at < found.files:
        lines.append(f"{found.looked_at} of {found.files} files were looked at (--limit)")
    if found.advice is None:
        return "\n".join(lines)
    lines += ["", found.advice.headline]
    for kind, sentence in found.advice.findings:
        lines.append(f"  {MARKS[kind]:>4}  {sentence}")
    if found.residual_overall:
        lines += ["", f"After denoising with {found.model}:"]
        lines += [f"  {MARKS[kind]:>4}  {sentence}" for kind, sentence in found.residual_findings]
    if found.advice.command:
        lines += ["", "Suggested training:", "", f"  {found.advice.command}"]
    return "\n".join(lines)


def _fit_record(fit):
    return {
        "gain": fit.gain, "gain_error": fit.gain_error, "offset": fit.offset, "offset_error": fit.offset_error,
        "constant_variance": fit.constant, "depends_on_brightness": fit.depends,
        "read_noise": fit.read_noise()[0] if fit.read_noise()[1] else None,
    }  # fmt: skip


def as_record(found):
    """Everything as JSON can hold it; all figures in file units."""
    images = []
    for one in found.measurements:
        row = {**one.described, "jpeg_blocks": one.blocks, "not_measured": one.why_not}
        if one.fit is not None:
            row |= {
                "level": one.level, "channel_levels": one.channel_levels, "fit": _fit_record(one.fit),
                "correlated": one.correlated,
                "correlation": None
                if one.raw_correlation is None
                else [value - correlation.WHITE_BIAS for value in correlation.nearest(one.raw_correlation)],
            }  # fmt: skip
        images.append(row)
    record = {
        "version": __version__, "files": found.files, "looked_at": found.looked_at,
        "failed": [{"name": str(name), "reason": reason} for name, reason in found.failed], "images": images,
    }  # fmt: skip
    if found.overall is not None:
        overall = found.overall
        record["overall"] = {
            "level": overall.level, "levels": overall.levels, "spread": overall.spread,
            "fit": _fit_record(overall.fit), "correlated": overall.correlated,
            "correlation": None if overall.correlation is None else overall.correlation.tolist(),
            "share_with_jpeg_blocks": overall.blocked, "share_clipped": overall.clipped,
            "curve": {
                name: getattr(overall.curve, name).tolist() for name in ("mean", "variance", "texture", "patches")
            },
        }  # fmt: skip
        record["verdict"] = {
            "verdict": found.advice.verdict, "headline": found.advice.headline,
            "findings": [{"kind": kind, "text": sentence} for kind, sentence in found.advice.findings],
            "train_flags": found.advice.flags, "train_command": found.advice.command,
        }  # fmt: skip
    if found.residual_overall is not None:
        record["residual"] = {
            "model": str(found.model), "overall": found.residual_overall,
            "findings": [{"kind": kind, "text": sentence} for kind, sentence in found.residual_findings],
            "images": [{"name": name, **row} for name, row in found.residuals],
        }  # fmt: skip
    return record
