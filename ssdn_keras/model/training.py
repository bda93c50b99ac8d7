"""How a denoiser is trained by Keras: its loss, its metrics, its optimiser."""

import keras
from keras import ops

from ssdn_keras.model import apply
from ssdn_keras.model.optimizers import make_optimizer
from ssdn_keras.model.schedule import RampedLearningRate
from ssdn_keras.model.train_step import SkippedSteps, TrainStep


class AverageLoss(keras.losses.Loss):
    """Mean of a loss map. A `Loss`, because its reduction is right under tf.distribute as well."""

    def call(self, y_true, y_pred):
        """The map itself; the reduction of the base class averages it."""
        return y_pred


def _update_finite(metric, values):
    """Add values to a mean; those of a skipped step, which are not finite, are left out."""
    finite = ops.isfinite(values)
    metric.update_state(ops.where(finite, values, 0.0), sample_weight=ops.cast(finite, "float32"))


class Training(TrainStep):
    """What `compile`, `fit` and `evaluate` of a `Denoiser` need beside its network and its loss map."""

    def prepare_training(self):
        """Create the metrics; called once by the constructor."""
        self.skipped_steps = SkippedSteps()
        self._psnr = keras.metrics.Mean(name="psnr")
        self._psnr_mean = keras.metrics.Mean(name="psnr_mean")
        self._estimates = [keras.metrics.Mean(name=name) for name in self.noise.level_names]
        self._average = AverageLoss()
        self._own_schedule = None
        self.jit_compile = apply.use_compiler()

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Prior-integrated loss of a minibatch, the mean over pixels and images (paper, equation 6 and after)."""
        if "network_output" in y_pred:
            loss = self._loss_map(x, y, y_pred["network_output"], y_pred.get("strength"))
        else:
            loss = self.loss_per_pixel(x, y)
        return self._average(loss, loss)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """PSNR of mean and posterior mean (dB, values clipped to 0..1) where the clean image is known."""
        results = {"loss": self._loss_tracker.result()}
        clean = y.get("clean") if isinstance(y, dict) else y
        if clean is not None:
            _update_finite(self._psnr, apply.psnr(clean, y_pred["denoised"]))
            results["psnr"] = self._psnr.result()
            if self.algorithm.uses_noise_model:
                _update_finite(self._psnr_mean, apply.psnr(clean, y_pred["mean"]))
                results["psnr_mean"] = self._psnr_mean.result()
        if self.learnt and "strength" in y_pred:
            levels = self.noise.level_from_estimate(y_pred["strength"])
            for index, metric in enumerate(self._estimates):
                _update_finite(metric, levels[..., index])
                results[metric.name] = metric.result()
        results["skipped_steps"] = self.skipped_steps.result()
        return results

    def compile(self, optimizer=None, jit_compile="auto", **kwargs):
        """As in Keras. Without an optimizer: Adam as published, its ramps stretched over the length of each `fit`.

        With "muon": the same with `Muon` instead of Adam, which learns faster. All else is what Keras makes of it: of
        "adam" an Adam with Keras's defaults and a constant rate.
        """
        if kwargs.get("loss") is not None:
            raise ValueError("a Denoiser brings its own loss: leave `loss` out of compile()")
        for name in ("metrics", "weighted_metrics"):
            if kwargs.get(name):
                raise ValueError(f"a Denoiser reports its own metrics: leave `{name}` out of compile()")
        self._own_schedule = None
        if optimizer is None or str(optimizer).lower() == "muon":
            optimizer = make_optimizer("muon" if optimizer else "adam")
            self._own_schedule = optimizer._learning_rate
        if jit_compile == "auto":
            jit_compile = apply.use_compiler() and not kwargs.get("run_eagerly")
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        """Nothing: a saved model is compiled anew, so that a file cannot bring code with it."""
        return None

    def compile_from_config(self, config):
        """Ignore what a file says about compiling."""

    def fit(self, x=None, y=None, epochs=1, initial_epoch=0, steps_per_epoch=None, **kwargs):
        """As in Keras: `x` is a dataset of dicts, see `ssdn_keras.data.training_crops`."""
        if hasattr(x, "cardinality"):
            kwargs.setdefault("shuffle", False)  # a dataset brings its order; Keras would only warn
        if self._own_schedule is not None:
            steps = steps_per_epoch or apply.steps_of(x, kwargs.get("batch_size"), kwargs.get("validation_split", 0.0))
            self._stretch_schedule(steps, epochs - initial_epoch)
        return super().fit(x, y, epochs=epochs, initial_epoch=initial_epoch, steps_per_epoch=steps_per_epoch, **kwargs)

    def _stretch_schedule(self, steps, epochs):
        schedule = self._own_schedule
        if steps:
            schedule.minibatch, schedule.images = 1, epochs * steps
        else:
            defaults = RampedLearningRate()
            schedule.minibatch, schedule.images = defaults.minibatch, defaults.images
        schedule.first_step = int(self.optimizer.iterations)
        self.train_function = None
