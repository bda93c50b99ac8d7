"""What --devices and TF_CONFIG say of the devices and machines of a training."""

import json
import os

import keras

_LOGICAL = "cpu*"


def numbers_of(devices):
    """List of numbers of GPUs; raises ValueError if the flag's text is none."""
    try:
        numbers = [int(number) for number in devices.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ValueError(f"--devices={devices}: give numbers of GPUs such as 0,2, or all, or cpu*2")
    return numbers


def named(found, number):
    """The device of a number among those found; raises ValueError if there is none."""
    if number >= len(found):
        raise ValueError(f"--devices: there is no device {number}; found {len(found)}: {', '.join(map(str, found))}")
    return found[number]


def see_only(devices):
    """Let a training on one device see this one only."""
    numbers = numbers_of(devices)
    if len(numbers) > 1:
        raise ValueError(f"--devices={devices}: several devices need --strategy=mirrored")
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"--devices={devices}: with this backend choose the device by CUDA_VISIBLE_DEVICES")
    import tensorflow as tf

    _before_start(tf.config.set_visible_devices, named(tf.config.list_physical_devices("GPU"), numbers[0]), "GPU")


def _before_start(function, *args):
    try:
        function(*args)
    except RuntimeError as error:
        raise ValueError(f"--devices must be chosen before TensorFlow is used: {first_line(error)}") from None


def tensorflow_devices(devices):
    """Names for tf.distribute, or None for all GPUs; logical devices of the processor are made here."""
    import tensorflow as tf

    if devices.startswith(_LOGICAL):
        text = devices[len(_LOGICAL) :]
        if not text.isdigit() or not 1 <= int(text) <= 64:
            raise ValueError(f"--devices={devices}: give a number from 1 to 64, such as {_LOGICAL}2")
        parts, processor = int(text), tf.config.list_physical_devices("CPU")[0]
        made = tf.config.get_logical_device_configuration(processor)
        if made is None or len(made) != parts:
            one = tf.config.LogicalDeviceConfiguration()
            _before_start(tf.config.set_logical_device_configuration, processor, [one] * parts)
        return [f"CPU:{number}" for number in range(parts)]
    if devices == "all":
        return None
    found = tf.config.list_physical_devices("GPU")
    for number in numbers_of(devices):
        named(found, number)
    return [f"GPU:{number}" for number in numbers_of(devices)]


def read_cluster():
    """TF_CONFIG, checked."""
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise ValueError(
            "--strategy=multiworker needs TF_CONFIG, which names all workers and this one; see docs/scale.md"
        )
    try:
        cluster = json.loads(text)
        workers, index = list(cluster["cluster"]["worker"]), int(cluster["task"]["index"])
        if cluster["task"]["type"] != "worker" or set(cluster["cluster"]) != {"worker"}:
            raise ValueError("only tasks of the type worker take part")
        if not 0 <= index < len(workers):
            raise ValueError(f"task {index}, but {len(workers)} workers")
        if not all(isinstance(worker, str) and ":" in worker for worker in workers):
            raise ValueError("workers are named HOST:PORT")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"TF_CONFIG cannot be used ({reason}); see docs/scale.md") from None
    return cluster


def first_line(error):
    """An error in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
