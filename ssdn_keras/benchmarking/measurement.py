"""Figures of repeated measurements, and what follows from them."""

from dataclasses import dataclass

import numpy as np

from ssdn_keras.benchmarking.clock import Clock


def spread(values):
    """Median, lowest, highest and all of some figures."""
    values = [float(value) for value in values]
    return {"median": float(np.median(values)), "lowest": min(values), "highest": max(values), "all": values}


def rates(work, clock, on_processor):
    """Work per second; where the processor did it, per second of processor time as well."""
    result = {"per_second": spread(work / seconds for seconds in clock.seconds)}
    if on_processor:
        result["per_processor_second"] = spread(work / seconds for seconds in clock.processor_seconds)
    return result


@dataclass
class Measurement:
    """A piece of work and its times.

    Attributes:
        clock: one figure per repeat.
        units: pieces of work in each figure, such as training steps.
        images, pixels: of one unit.
        operations, traffic: of one unit, of the model as published.
        host_memory: peak of the process in bytes.
        device_memory: peak of the accelerator in bytes, or None.
    """

    clock: Clock
    units: int
    images: int
    pixels: int
    operations: int
    traffic: int
    host_memory: int = 0
    device_memory: int | None = None

    def summary(self, on_processor, device=None):
        """Dict of figures.

        Args:
            on_processor: whether the processor did the work; then its time counts too.
            device: {"matrix": …, "copy": …}, each what `rates` returned of the device's limits; fractions need them.
        """
        seconds = spread(value / self.units for value in self.clock.seconds)
        result = {
            "seconds": seconds,
            "images_per_second": self.images / seconds["median"],
            "megapixels_per_second": self.pixels / seconds["median"] / 1e6,
            "published_operations": self.operations,
            "published_operations_per_second": self.operations / seconds["median"],
            "peak_host_memory_bytes": self.host_memory,
            "peak_device_memory_bytes": self.device_memory,
        }
        if on_processor:
            result["processor_seconds"] = spread(value / self.units for value in self.clock.processor_seconds)
        # By processor time where there is one: wall times of two moments of a busy machine have no fair ratio.
        time, rate = ("processor_seconds", "per_processor_second") if on_processor else ("seconds", "per_second")
        for name, work in (("matrix", self.operations), ("copy", self.traffic)):
            if device:
                result[f"fraction_of_{name}_rate"] = work / result[time]["median"] / device[name][rate]["median"]
        return result
