"""The rows of the comparison: which method, how it is trained, and what others published for it."""

from dataclasses import dataclass, field

from ssdn_keras.algorithms.classical import CLASSICAL

# Relative cost of a training step per pixel, for the estimate of the time left: a blind-spot network looks at every
# image in four orientations (the report found 4), and a per-image estimate is a second network.
_PLAIN, _BLIND, _BLIND_AND_ESTIMATOR = 1.0, 4.0, 5.0


@dataclass(frozen=True)
class Row:
    """One method of the comparison.

    Attributes:
        name: as in --rows and in folder names.
        title: as in tables and figures.
        level_known: whether it is given the noise level when it denoises.
        algorithm: of `train`, a classical one, or "original".
        noise_parameter: of `train`.
        cost: of a training step, relative to a plain network's; of a classical denoiser, per pixel denoised.
        report: PSNR in dB by data set that the reproducibility report gives, for gauss25 and 200,000 images.
        paper: the same of the paper, 2,000,000 images.
    """

    name: str
    title: str
    level_known: bool
    algorithm: str
    noise_parameter: str = "known"
    cost: float = _PLAIN
    report: dict = field(default_factory=dict)
    paper: dict = field(default_factory=dict)

    @property
    def learned(self):
        """Whether it is trained."""
        return self.algorithm not in CLASSICAL


def _published(kodak, bsd300):
    return {"kodak": kodak, "bsd300": bsd300}


ROWS = {
    row.name: row
    for row in (
        Row("cbm3d", "CBM3D", True, "cbm3d", cost=10.0, paper=_published(31.81, 30.40)),
        Row("nlm", "Non-local means", True, "nlm", cost=0.5),
        Row("wavelet", "Wavelet shrinkage", True, "wavelet", cost=1.0),
        Row("n2c", "N2C", False, "n2c", report=_published(32.19, 31.22)),
        Row("n2n", "N2N", False, "n2n", report=_published(32.16, 31.20)),
        Row("n2v", "N2V", False, "n2v", report=_published(31.03, 30.24)),
        Row("n2v2", "N2V, medians", False, "n2v2"),
        Row("ssdn_mean", "SSDN, μ only", False, "ssdn_mean", cost=_BLIND, report=_published(30.00, 28.56)),
        Row(
            "ssdn_per_image", "SSDN, estimated per image", False, "ssdn", "per_image", _BLIND_AND_ESTIMATOR,
            report=_published(31.61, 30.55),
        ),
        Row("ssdn_global", "SSDN, one estimate", False, "ssdn", "global", _BLIND),
        Row("original", "Authors' program, estimated per image", False, "original", "per_image", 7.0),
        Row(
            "ssdn_known", "SSDN, known", True, "ssdn", cost=_BLIND, report=_published(32.12, 31.13),
            paper=_published(32.45, 31.03),
        ),
    )
}  # fmt: skip

# The seven rows of the report's Table 1.
REPORT_ROWS = ("cbm3d", "n2c", "n2n", "n2v", "ssdn_mean", "ssdn_per_image", "ssdn_known")
PUBLISHED_NOISE = "gauss25"
REPORT_IMAGES, PAPER_IMAGES = 200_000, 2_000_000
