"""The PyTorch reimplementation at work, in a process of its own: run as a script by `programs`, never imported.

Usage: pytorch_worker.py CHECKOUT SETTINGS, a JSON object with crop and minibatch. The program is used as it is in the
user's checkout: its configuration, its Denoiser, its pipeline, and Adam with the values that its trainer gives. This
file needs an interpreter with PyTorch and what the program imports, and nothing of this package.
"""

import json
import sys
from pathlib import Path

from worker import answer

MULTIPLE = 32


def build(checkout, settings):
    """The requests that this process answers."""
    sys.path.insert(0, str(Path(checkout, "ssdn")))
    import torch
    from ssdn import cfg as configuration
    from ssdn.datasets import NoisyDataset
    from ssdn.denoiser import Denoiser
    from ssdn.params import ConfigValue, NoiseAlgorithm, NoiseValue, PipelineOutput

    torch.manual_seed(0)
    cfg = configuration.base()
    cfg[ConfigValue.ALGORITHM] = NoiseAlgorithm.SELFSUPERVISED_DENOISING
    cfg[ConfigValue.NOISE_STYLE] = "gauss25"
    cfg[ConfigValue.NOISE_VALUE] = NoiseValue.KNOWN
    denoiser = Denoiser(configuration.infer(cfg, model_only=True))
    optimiser = torch.optim.Adam(denoiser.parameters(), lr=1e-4, betas=[0.9, 0.99])

    # With its random initial weights its matrix inversion can meet a singular covariance and stop; these are regular.
    with torch.no_grad():
        last = denoiser.get_model(Denoiser.MODEL, parallelised=False).output_conv
        last.weight.mul_(0.05)
        last.bias.fill_(0.2)

    def data(images, height, width):
        noisy = torch.rand(images, 3, height, width)
        level = torch.full((images, 1, 1, 1), 25 / 255)
        shape = torch.tensor([[3, height, width]] * images)
        names = NoisyDataset.Metadata
        if denoiser.device.type == "cuda":
            level = level.to(denoiser.device)  # the program joins it with what is on the device
        return [noisy, noisy, {names.INPUT_NOISE_VALUES: level, names.IMAGE_SHAPE: shape}]

    minibatch = data(settings["minibatch"], settings["crop"], settings["crop"])

    def train(steps):
        denoiser.train()
        for _ in range(steps):
            optimiser.zero_grad()
            loss = torch.mean(denoiser.run_pipeline(minibatch)[PipelineOutput.LOSS])
            loss.backward()
            optimiser.step()
        float(loss)

    def denoise(height, width):
        # It turns images by 90° within a batch, and so pads them to squares.
        side = -(-max(height, width) // MULTIPLE) * MULTIPLE
        denoiser.eval()
        with torch.no_grad():
            denoiser.run_pipeline(data(1, side, side))[PipelineOutput.IMG_DENOISED].cpu()

    on_gpu = torch.cuda.is_available()
    return {
        "train": train, "denoise": denoise,
        "device_memory": lambda: torch.cuda.max_memory_allocated() if on_gpu else None,
    }  # fmt: skip


if __name__ == "__main__":
    answer(lambda: build(sys.argv[1], json.loads(sys.argv[2])))
