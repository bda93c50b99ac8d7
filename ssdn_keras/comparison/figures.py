"""Loss curves of both programs, and how far their weights lie apart."""

from matplotlib.figure import Figure

OURS, THEIRS = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion


def _plain(panel, title, x, y):
    panel.set_title(title, fontsize=10)
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _both(panel, x, rows, key):
    """Theirs as a wide line, ours as a thin one upon it: equal curves show both colours."""
    panel.plot(
        x, [row[f"{key}_theirs"] for row in rows], color=THEIRS, linewidth=4, alpha=0.45, label="authors' program"
    )
    panel.plot(x, [row[f"{key}_ours"] for row in rows], color=OURS, linewidth=1.3, label="ssdn_keras")


def steps(rows, gradients):
    """matplotlib Figure of `steps.train_steps`: losses, their difference and that of the weights, gradients."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    losses, apart, first = figure.subplots(1, 3)
    x = [row["step"] for row in rows]
    _both(losses, x, rows, "loss")
    losses.legend(frameon=False, fontsize=8)
    _plain(losses, "Loss", "step", "loss before the step")
    smallest = 1e-12
    for key, label, colour, line in (
        ("weight_difference", "weights", "#000000", "-"), ("relative", "loss (relative)", "#009E73", "-"),
        ("twin_weight_difference", "weights, one bit", "#000000", ":"),
        ("twin_relative", "loss, one bit", "#009E73", ":"),
    ):  # fmt: skip
        apart.semilogy(x, [max(row[key], smallest) for row in rows], color=colour, linestyle=line, label=label)
    apart.legend(frameon=False, fontsize=8)
    _plain(apart, "Largest difference", "step", "difference")
    first.loglog(
        [max(row["norm_theirs"], smallest) for row in gradients],
        [max(row["norm_ours"], smallest) for row in gradients], ".", color="#CC79A7",
    )  # fmt: skip
    limits = [smallest, *(row["norm_theirs"] for row in gradients)]
    low = max(min(limits[1:], default=smallest), smallest)
    first.plot([low, max(limits)], [low, max(limits)], color="#999999", linewidth=0.8)
    _plain(first, "Gradients of step 1, one point per variable", "norm, authors' program", "norm, ssdn_keras")
    return figure


def curves(rows):
    """matplotlib Figure of `curves.LongTraining`: validation PSNR, losses, difference of the weights."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    decibels, losses, apart = figure.subplots(1, 3)
    x = [row["images"] for row in rows]
    _both(decibels, x, rows, "val_psnr")
    decibels.legend(frameon=False, fontsize=8)
    _plain(decibels, "Validation", "images seen", "PSNR (dB)")
    _both(losses, x, rows, "loss")
    if "val_loss_ours" in rows[0]:
        losses.plot(x, [row["val_loss_theirs"] for row in rows], color=THEIRS, linestyle=":", linewidth=3, alpha=0.45)
        losses.plot(x, [row["val_loss_ours"] for row in rows], color=OURS, linestyle=":", linewidth=1.3)
    _plain(losses, "Loss (dotted: validation)", "images seen", "loss")
    apart.semilogy(x, [max(row["weight_difference"], 1e-12) for row in rows], color="#000000")
    _plain(apart, "Largest difference of a weight", "images seen", "difference")
    return figure
