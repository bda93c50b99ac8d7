"""What to think of a residual, in plain words."""

from ssdn_keras.diagnosis.advice import CAUTION, GOOD
from ssdn_keras.diagnosis.suggestion import number

# Share of blocks; noise alone gives far less (see docs/diagnose.md).
_STRUCTURE = 0.02
_NOISE_LEFT = 0.9
# Without a posterior the errors of the prediction count as residual.
_TOO_MUCH_WITH_POSTERIOR, _TOO_MUCH = 1.1, 1.3
_LEVEL_OFF = 0.1


def advise_on_residual(figures, correlated):
    """List of (kind, sentence) on what a model left.

    Args:
        figures: of `residual.examine`, over all images.
        correlated: whether the noise is, so that a model's own level need not be the measured one.
    """
    findings = []
    share, ratio = figures["share_with_structure"], figures["implied_over_measured"]
    if share > _STRUCTURE:
        findings.append(
            (
                CAUTION,
                f"Structure remains in the residual: {share:.1%} of its blocks hold more than noise. Detail of the "
                "images is being taken away: train longer or on larger crops, and check that σ is not too high.",
            )
        )
    else:
        findings.append((GOOD, f"The residual looks like noise ({share:.1%} of its blocks hold more than that)."))
    posterior = figures["has_posterior"]
    what = "Residual and posterior variance together imply" if posterior else "The residual has"
    words = f"{what} σ = {number(figures['implied_level'])}, measured was {number(figures['measured_level'])}"
    if ratio < _NOISE_LEFT:
        findings.append((CAUTION, f"{words}: noise is left in the results."))
    elif ratio > (_TOO_MUCH_WITH_POSTERIOR if posterior else _TOO_MUCH):
        findings.append((CAUTION, f"{words}: more than noise is taken away."))
    else:
        findings.append((GOOD, f"{words}."))
    estimated = figures["estimated_over_measured"]
    if estimated is not None:
        level = number(figures["estimated_level"])
        words = f"The model works with σ = {level}, {estimated:.2f} times what was measured"
        off = abs(estimated - 1) > _LEVEL_OFF and not correlated
        findings.append((CAUTION, f"{words}: train with the measured level.") if off else (GOOD, f"{words}."))
    return findings
