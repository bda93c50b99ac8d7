"""On which devices and machines a training runs. One entry per --strategy; whichever it is, the result is the same."""

import contextlib
import zlib

import keras

from ssdn_keras.data.sources import tell
from ssdn_keras.training.devices import first_line, named, numbers_of, read_cluster, see_only, tensorflow_devices
from ssdn_keras.training.models import plain_copy

STRATEGIES = ("one", "mirrored", "multiworker")


class WorkerLost(OSError):
    """Another worker of this training ended or cannot be reached."""


class OneDevice:
    """A training on one device. Also the contract that the others keep.

    Attributes:
        count: replicas in all, which share each minibatch evenly.
        worker, workers: number of this process and how many there are.
        compiler: what `compile(jit_compile=…)` gets.
    """

    count = workers = 1
    worker = 0
    compiler = "auto"

    def __init__(self, devices="all"):
        if devices != "all":
            see_only(devices)

    @property
    def chief(self):
        """Whether this process writes the files."""
        return self.worker == 0

    def scope(self):
        """Context in which the model is made."""
        return contextlib.nullcontext()

    def distribute(self, make_dataset):
        """What `fit` gets; `make_dataset()` makes this worker's part of each minibatch."""
        return make_dataset()

    def on_one_device(self, model):
        """The model, or its double outside of the replicas, for a use that they do not share."""
        return model

    def agree(self, values):
        """Check that all workers have the same values (dict of what: text), so that none waits for ever.

        Raises:
            ValueError: they differ; all workers raise it.
        """

    def meet(self):
        """Wait at the end until all workers are here."""

    def translate(self, error):
        """A clearer error for one that `fit` raised, or None."""

    def check_minibatch(self, minibatch):
        """Raise ValueError if the minibatch cannot be shared evenly."""
        if minibatch % self.count:
            raise ValueError(
                f"--minibatch={minibatch} cannot be shared by {self.count} replicas; give a multiple of {self.count}"
            )

    @property
    def description(self):
        """In words, for the run's records."""
        return "one device"


class Mirrored(OneDevice):
    """All or some GPUs of this machine (tf.distribute.MirroredStrategy)."""

    compiler = False  # XLA and several replicas do not go together

    def __init__(self, devices="all"):
        import tensorflow as tf

        self._strategy = tf.distribute.MirroredStrategy(tensorflow_devices(devices))
        self.count = self._strategy.num_replicas_in_sync

    def scope(self):
        return self._strategy.scope()

    def on_one_device(self, model):
        return plain_copy(model)

    @property
    def description(self):
        return f"{self.count} replicas in one process (tf.distribute.MirroredStrategy)"


class MultiWorker(Mirrored):
    """Several processes, usually on several machines, found through TF_CONFIG."""

    def __init__(self, devices="all"):
        import tensorflow as tf

        cluster = read_cluster()
        if devices != "all":
            tensorflow_devices(devices)
        self.workers, self.worker = len(cluster["cluster"]["worker"]), int(cluster["task"]["index"])
        if self.workers > 1:
            others = "another worker" if self.workers == 2 else f"{self.workers - 1} other workers"
            tell(f"worker {self.worker} of {self.workers} waits for {others}")
        try:
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, RuntimeError) as error:
            raise WorkerLost(f"the workers of TF_CONFIG did not find each other: {first_line(error)}") from None
        self.count = self._strategy.num_replicas_in_sync

    def distribute(self, make_dataset):
        return self._strategy.distribute_datasets_from_function(lambda context: make_dataset())

    def agree(self, values):
        if self.workers == 1:
            return
        import tensorflow as tf

        mine = tf.constant([[zlib.crc32(str(value).encode()) for value in values.values()]], tf.int64)
        for number, row in enumerate(self._gather(mine)):
            for name, own, other in zip(values, mine.numpy()[0], row, strict=True):
                if own != other:
                    raise ValueError(f"worker {self.worker} and worker {number} differ in {name}: {values[name]} here")

    def _gather(self, values):
        import tensorflow as tf

        local = self._strategy.experimental_distribute_values_from_function(lambda context: values)
        with _clear_loss(self, tf):
            gathered = self._strategy.gather(local, axis=0).numpy()
        return gathered[:: self.count // self.workers]

    def meet(self):
        if self.workers > 1:
            import tensorflow as tf

            with contextlib.suppress(WorkerLost):  # who has heard of all others first may be gone already
                self._gather(tf.zeros((1, 1), tf.int64))

    def translate(self, error):
        import tensorflow as tf

        lost = (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
            tf.errors.InternalError,
        )
        if self.workers > 1 and isinstance(error, lost):
            return WorkerLost(
                f"worker {self.worker}: another worker ended or cannot be reached; start all of them again with the "
                "same commands, they go on from the last checkpoint"
            )
        return None

    @property
    def description(self):
        return f"{self.count} replicas in {self.workers} processes (tf.distribute.MultiWorkerMirroredStrategy)"


class DataParallel(OneDevice):
    """All devices that JAX sees, or some of them (keras.distribution.DataParallel)."""

    def __init__(self, devices="all"):
        names = keras.distribution.list_devices()
        if devices != "all":
            names = [named(names, number) for number in numbers_of(devices)]
        self.count = len(names)
        self._distribution = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)

    @contextlib.contextmanager
    def scope(self):
        keras.distribution.set_distribution(self._distribution)
        yield

    def on_one_device(self, model):
        keras.distribution.set_distribution(None)
        try:
            return plain_copy(model)
        finally:
            keras.distribution.set_distribution(self._distribution)

    @property
    def description(self):
        return f"{self.count} devices (keras.distribution.DataParallel)"


def make_replicas(strategy="one", devices="all"):
    """The replicas of a training.

    Args:
        strategy: "one", "mirrored" (with the JAX backend: DataParallel), or "multiworker".
        devices: "all", numbers of GPUs such as "0,2", or "cpu*N" for N logical devices of the processor.

    Raises:
        ValueError: the backend cannot do it, a device does not exist, or TF_CONFIG is missing or wrong.
    """
    backend = keras.backend.backend()
    if strategy == "one":
        return OneDevice(devices)
    if backend == "jax" and strategy == "mirrored":
        return DataParallel(devices)
    if backend != "tensorflow":
        raise ValueError(f"--strategy={strategy} needs the backend tensorflow (or jax for mirrored), this is {backend}")
    return {"mirrored": Mirrored, "multiworker": MultiWorker}[strategy](devices)


@contextlib.contextmanager
def _clear_loss(replicas, tf):
    try:
        yield
    except tf.errors.OpError as error:
        raise replicas.translate(error) or error from None
