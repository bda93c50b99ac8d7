"""Which arithmetic is fast on this machine."""

from pathlib import Path

import keras


def fast_precision():
    """mixed_bfloat16 where the processor computes in bfloat16 (or there is a GPU), else float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        flags = ""
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        return "mixed_bfloat16"
    return "mixed_bfloat16" if _has_gpu() else "float32"


def _has_gpu():
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.is_available()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
