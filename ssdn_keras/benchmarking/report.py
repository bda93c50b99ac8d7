"""The results of a benchmark as Markdown."""

TITLES = {"training": "training step", "inference": "denoising one image"}


def _number(value, digits=3):
    return "–" if value is None else f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.0f}"


def _percent(value):
    return "–" if value is None else f"{100 * value:.1f} %"


def _spread(summary, unit, scale):
    low, middle, high = (_number(summary[f"{name}_{unit}"] * scale) for name in ("lowest", "median", "highest"))
    return f"{middle} ({low} to {high})"


def markdown(results):
    """One page: what was measured, where, and the figures with median (lowest to highest)."""
    settings = results["settings"]
    lines = [
        f"{settings['algorithm']}, {settings['noise']} ({settings['noise_parameter']}), {settings['channels']} "
        f"channels, {settings['precision']}, XLA {results['xla']}; {results['machine']}. Median (lowest to highest).",
        "",
    ]
    work = {name: results[name] for name in TITLES if name in results}
    if work:
        lines += ["| | " + " | ".join(f"{TITLES[name]}, {results[name]['size']}" for name in work) + " |"]
        lines += ["|---|" + "---|" * len(work)]
        rows = {
            "time, ms": lambda r: _spread(r, "seconds", 1e3),
            "images/s": lambda r: _number(r["images_per_second"]),
            "megapixels/s": lambda r: _number(r["megapixels_per_second"]),
            "operations of the published model, 10⁹": lambda r: _number(r["published_operations"] / 1e9),
            "the same per second, 10⁹": lambda r: _number(r["published_operations_per_second"] / 1e9),
            "of the measured matrix rate": lambda r: _percent(r.get("fraction_of_matrix_rate")),
            "of the measured copy bandwidth": lambda r: _percent(r.get("fraction_of_copy_bandwidth")),
            "peak memory of the process, MB": lambda r: _number(r["peak_host_memory_bytes"] / 1e6),
            "peak memory of the device, MB": lambda r: (
                "–" if r["peak_device_memory_bytes"] is None else _number(r["peak_device_memory_bytes"] / 1e6)
            ),
        }
        lines += [f"| {title} | " + " | ".join(cell(r) for r in work.values()) + " |" for title, cell in rows.items()]
        lines += [""]
    if "device" in results:
        for dtype, rate in results["device"]["matrix_rate"].items():
            lines.append(f"Matrix rate in {dtype}: {_spread(rate, 'rate', 1e-9)} × 10⁹ operations/s.  ")
        lines.append(f"Copy bandwidth: {_spread(results['device']['copy_bandwidth'], 'rate', 1e-9)} GB/s.  ")
    if "input" in results:
        rate = results["input"]
        lines.append(f"Input pipeline: {_spread(rate, 'rate', 1)} minibatches/s of {rate['size']}.")
    return "\n".join(lines).rstrip() + "\n"
