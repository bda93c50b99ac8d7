"""Measuring programs in turns: A B C, A B C, …, so that a machine busier at one time than at another favours nobody."""

import sys

import processes


def training(programs, rounds, steps, loss_steps):
    """Training steps of all programs, of which each is alive all the time.

    Args:
        programs: dict of name to a function that starts the program.
        rounds, steps: figures, and steps of each.
        loss_steps: evaluations of loss and posterior of each figure, by programs that can do that alone.

    Returns:
        (wall, processor): dicts of name to dict of quantity ("train", "loss": seconds; "memory": bytes by which the
        process grew in its first steps, on a GPU the peak there) to list of figures, one per round.
    """
    wall, processor, running = {}, {}, {}
    try:
        for name, start in programs.items():
            program = running[name] = start()
            wall[name], processor[name] = {"train": []}, {"train": []}
            before = processes.memory(program.process_id, "VmRSS")
            processes.forget_peak(program.process_id)
            program.ask("train", steps)
            used = program.ask("device_memory") if _can(program, "device_memory") else None  # None without a GPU
            wall[name]["memory"] = [used or processes.memory(program.process_id) - before] * rounds
            if _can(program, "loss"):
                program.ask("loss", loss_steps)
                wall[name]["loss"], processor[name]["loss"] = [], []
            program.ask("train", steps)
        for _ in range(rounds):
            for name, program in running.items():
                for quantity in [q for q in ("train", "loss") if q in processor[name]]:
                    count = steps if quantity == "train" else loss_steps
                    seconds, processor_seconds = processes.measured(program, quantity, count)
                    wall[name][quantity].append(seconds / count)
                    processor[name][quantity].append(processor_seconds / count)
    finally:
        for program in running.values():
            program.close()
    return wall, processor


def denoising(programs, rounds, height, width):
    """Denoising one image, see `training`; the quantity is "denoise"."""
    wall, processor, running = {}, {}, {}
    try:
        for name, start in programs.items():
            program = start()
            try:
                program.ask("denoise", height, width)
            except ValueError as error:  # out of memory, most likely: the others go on
                print(f"left out of denoising: {error}", file=sys.stderr)
                program.close()
                continue
            running[name] = program
            wall[name], processor[name] = {"denoise": []}, {"denoise": []}
        for _ in range(rounds):
            for name, program in running.items():
                seconds, processor_seconds = processes.measured(program, "denoise", height, width)
                wall[name]["denoise"].append(seconds)
                processor[name]["denoise"].append(processor_seconds)
    finally:
        for program in running.values():
            program.close()
    return wall, processor


def _can(program, request):
    return request in getattr(program, "requests", ())
