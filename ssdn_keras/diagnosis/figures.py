"""Plots of a diagnosis."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_POINTS, _LINE, _OTHER = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito's blue, vermilion and green
_MOST_POINTS = 2000


def _plain(panel, title, x, y):
    panel.set_title(title, fontsize=10)
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def noise_curve(overall):
    """matplotlib Figure: variance of the noise against brightness, and the fit."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    panel = figure.subplots()
    curve, fit = overall.curve, overall.fit
    chosen = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), _MOST_POINTS)).astype(int))
    trusted = curve.texture[chosen] <= 1.4 * np.quantile(curve.texture, 0.1)
    for which, alpha, label in ((trusted, 0.75, "flat areas"), (~trusted, 0.2, "areas with texture (less weight)")):
        panel.plot(
            curve.mean[chosen][which], curve.variance[chosen][which], ".", color=_POINTS, alpha=alpha, label=label
        )
    x = np.linspace(curve.mean.min(), curve.mean.max(), 100)
    label = f"{fit.gain:.3g} · x {fit.offset:+.3g}" if fit.depends else f"constant: {fit.constant:.3g}"
    panel.plot(x, fit.variance(x), color=_LINE, label=label)
    top = 1.5 * max(float(np.quantile(curve.variance[chosen][trusted], 0.98)), float(fit.variance(x).max()))
    panel.set_ylim(0, top)
    panel.legend(frameon=False, fontsize=8)
    _plain(panel, "Variance of the noise against brightness", "brightness (file units)", "variance (file units²)")
    return figure


def lag_map(correlation, title):
    """matplotlib Figure: an autocorrelation map, with its numbers near the centre."""
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    panel = figure.subplots()
    radius = correlation.shape[0] // 2
    shown = correlation.copy()
    shown[radius, radius] = np.nan  # always 1
    picture = panel.imshow(
        shown, cmap="RdBu_r", vmin=-1, vmax=1, extent=(-radius - 0.5, radius + 0.5, radius + 0.5, -radius - 0.5)
    )
    for row in range(-min(radius, 2), min(radius, 2) + 1):
        for column in range(-min(radius, 2), min(radius, 2) + 1):
            value = round(float(correlation[radius + row, radius + column]), 2) + 0.0  # no minus before a zero
            panel.text(
                column, row, f"{value:.2f}".replace("0.", ".", 1) if row or column else "1", ha="center", va="center",
                fontsize=6.5, color="white" if abs(value) > 0.6 and (row or column) else "black",
            )  # fmt: skip
    figure.colorbar(picture, ax=panel, shrink=0.8)
    panel.set_title(title, fontsize=10)
    panel.set_xlabel("columns apart")
    panel.set_ylabel("rows apart")
    return figure


def levels(overall):
    """matplotlib Figure: σ of every image."""
    figure = Figure(figsize=(4.6, 4), layout="constrained")
    panel = figure.subplots()
    panel.plot(np.arange(1, len(overall.levels) + 1), overall.levels, "o", color=_POINTS, markersize=4)
    panel.axhline(overall.level, color=_LINE, label=f"all images: {overall.level:.3g}")
    panel.set_ylim(0, 1.25 * max(*overall.levels, overall.level))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend(frameon=False, fontsize=8)
    _plain(panel, "Noise level of each image", "image", "σ (file units)")
    return figure


def residual_variance(maps, fit, has_posterior):
    """matplotlib Figure: variance of the residual against brightness, beside the noise that was measured."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    panel = figure.subplots()
    for number, one in enumerate(maps):
        brightness, variance = one["curve"]
        words = "residual + posterior variance" if has_posterior else "residual"
        panel.plot(brightness, variance, ".", color=_OTHER, alpha=0.7, label=words if not number else None)
    ends = [one["curve"][0] for one in maps]
    x = np.linspace(min(part.min() for part in ends), max(part.max() for part in ends), 100)
    panel.plot(x, fit.variance(x), color=_LINE, label="noise as measured")
    panel.set_ylim(0, None)
    panel.legend(frameon=False, fontsize=8)
    _plain(panel, "Variance of the residual", "brightness (file units)", "variance (file units²)")
    return figure
