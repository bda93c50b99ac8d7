"""The results of a benchmark as Markdown."""

TITLES = {"training": "training step", "inference": "denoising one image"}


def _number(value, digits=3):
    return "–" if value is None else f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.0f}"


def _percent(value):
    return "–" if value is None else f"{100 * value:.1f} %"


def _spread(figures, scale):
    low, middle, high = (_number(figures[name] * scale) for name in ("lowest", "median", "highest"))
    return f"{middle} ({low} to {high})"


def _rates(limits, scale):
    text = f"{_spread(limits['per_second'], scale)} a second"
    if "per_processor_second" in limits:
        text += f", {_spread(limits['per_processor_second'], scale)} a second of processor time"
    return text


def markdown(results):
    """One page: what was measured, where, and the figures with median (lowest to highest)."""
    settings = results["settings"]
    lines = [
        f"{settings['algorithm']}, {settings['noise']} ({settings['noise_parameter']}), {settings['channels']} "
        f"channels, {settings['filters']} filters, {settings['optimizer']}, {settings['precision']}, "
        f"XLA {results['xla']}; {results['machine']}. Median (lowest to highest).",
        "",
    ]
    work = {name: results[name] for name in TITLES if name in results}
    if work:
        lines += ["| | " + " | ".join(f"{TITLES[name]}, {results[name]['size']}" for name in work) + " |"]
        lines += ["|---|" + "---|" * len(work)]
        rows = {
            "time, ms": lambda r: _spread(r["seconds"], 1e3),
            "processor time, ms": lambda r: _spread(r["processor_seconds"], 1e3) if "processor_seconds" in r else "–",
            "images/s": lambda r: _number(r["images_per_second"]),
            "megapixels/s": lambda r: _number(r["megapixels_per_second"]),
            "operations of the published model, 10⁹": lambda r: _number(r["published_operations"] / 1e9),
            "the same per second, 10⁹": lambda r: _number(r["published_operations_per_second"] / 1e9),
            "of the measured matrix rate": lambda r: _percent(r.get("fraction_of_matrix_rate")),
            "of the measured copy bandwidth": lambda r: _percent(r.get("fraction_of_copy_rate")),
            "peak memory of the process, MB": lambda r: _number(r["peak_host_memory_bytes"] / 1e6),
            "peak memory of the device, MB": lambda r: (
                "–" if r["peak_device_memory_bytes"] is None else _number(r["peak_device_memory_bytes"] / 1e6)
            ),
        }
        lines += [f"| {title} | " + " | ".join(cell(r) for r in work.values()) + " |" for title, cell in rows.items()]
        lines += [""]
    if "device" in results:
        for dtype, limits in results["device"]["matrix"].items():
            lines.append(f"Matrix products in {dtype}: {_rates(limits, 1e-9)}, in 10⁹ operations.  ")
        lines.append(f"Copying: {_rates(results['device']['copy'], 1e-9)}, in GB.  ")
    if "input" in results:
        part = results["input"]
        lines.append(f"Input pipeline: {_spread(part['per_second'], 1)} minibatches/s of {part['size']}.")
    return "\n".join(lines).rstrip() + "\n"
