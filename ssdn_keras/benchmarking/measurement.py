"""Figures of repeated measurements, and what follows from them."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Measurement:
    """Seconds of a piece of work, one figure per repeat, and what that work is.

    Attributes:
        seconds: of one unit of work.
        images, pixels: of one unit.
        operations, traffic: of one unit, of the model as published.
        host_memory: peak of the process in bytes.
        device_memory: peak of the accelerator in bytes, or None.
    """

    seconds: list[float]
    images: int
    pixels: int
    operations: int
    traffic: int
    host_memory: int = 0
    device_memory: int | None = None

    def summary(self, matrix_rate=None, bandwidth=None):
        """Dict of figures; the fractions only where the device's limits are known."""
        median = float(np.median(self.seconds))
        result = {
            "median_seconds": median,
            "lowest_seconds": min(self.seconds),
            "highest_seconds": max(self.seconds),
            "repeats": len(self.seconds),
            "images_per_second": self.images / median,
            "megapixels_per_second": self.pixels / median / 1e6,
            "published_operations": self.operations,
            "published_operations_per_second": self.operations / median,
            "peak_host_memory_bytes": self.host_memory,
            "peak_device_memory_bytes": self.device_memory,
            "all_seconds": list(self.seconds),
        }
        if matrix_rate:
            result["fraction_of_matrix_rate"] = self.operations / median / matrix_rate
        if bandwidth:
            result["fraction_of_copy_bandwidth"] = self.traffic / median / bandwidth
        return result
