"""Flag files: published experiments, and what a training writes."""

from .. import ROOT
from . import Seed

_CASES = {
    "own": "--train_noisy=x\n--run_dir=y\n--noise=gauss\n--noise_parameter=per_image\n--crop=64\n--minibatch=2\n",
    "many": "# a comment\n--train_clean=x\n--run_dir=y\n\n--noise=poisson5_50\n--algorithm=n2v2\n--n2v_box=6\n"
    "--n2v_percentage=1.5\n--n2v_neighbourhood=7\n--channels=1\n--nodiagonal_covariance\n--blindspot_size=3\n"
    "--images=100\n--learning_rate=1e-3\n--ramp_up=0.2\n--ramp_down=.5\n--seed=4294967295\n--precision=float32\n"
    "--ema=0.99\n--val_clean=z\n--val_images=2\n--validate_every=0\n",
    "experiment": "--experiment=gauss25-n2c-mono\n--train_clean=x\n--run_dir=y\n--freeze_noise\n--clip_noise\n",
    "other ways to write": "-train_clean x\n--run_dir y\n--noise 'impulse50'\n--channels\n1\n// other comment\n",
}


def seeds():
    """Flag files of `train`; the names in them are of files that do not exist."""
    for name, text in _CASES.items():
        yield Seed(name, text.encode(), name != "other ways to write")
    for name in ("gauss25-blindspot-sigma_known", "impulse0_100-blindspot-sigma_per_image"):
        text = (ROOT / "flags" / f"{name}.cfg").read_text()
        yield Seed(name, (text + "--train_clean=x\n--run_dir=y\n").encode())
