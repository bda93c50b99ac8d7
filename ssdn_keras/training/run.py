"""A whole training: from settings to final.keras, resumable at every checkpoint."""

from pathlib import Path

import keras

from ssdn_keras.data.images import write_atomically
from ssdn_keras.data.pipeline import training_crops
from ssdn_keras.data.sources import open_source
from ssdn_keras.model.denoiser import Denoiser
from ssdn_keras.model.files import load
from ssdn_keras.model.schedule import published_optimizer
from ssdn_keras.training import checkpoint
from ssdn_keras.training.callbacks import Progress, Records
from ssdn_keras.training.validation import CropPanel, Validation


def make_model(settings, resumed=False):
    """A fresh, compiled model, or one with the weights of `settings.init` unless it is about to be restored."""
    keras.utils.set_random_seed(settings.seed)
    model = Denoiser(
        noise=settings.noise,
        noise_parameter=settings.noise_parameter,
        channels=settings.channels,
        diagonal_covariance=settings.diagonal_covariance,
        blindspot_size=settings.blindspot_size,
        algorithm=settings.algorithm,
        dtype=settings.precision,
        name="denoiser",
    )
    if settings.init and not resumed:
        copy_weights(load(settings.init), model, settings.init)
    model.compile(
        published_optimizer(
            ema=settings.ema,
            rate=settings.learning_rate,
            images=settings.images,
            minibatch=settings.minibatch,
            ramp_up=settings.ramp_up,
            ramp_down=settings.ramp_down,
        )
    )
    return model


def copy_weights(source, target, name):
    """Start `target` from a trained model of the same network; range and kind of the noise parameter may differ."""
    ours, theirs = target.get_config(), source.get_config()
    different = [
        f"{key} is {theirs[key]!r}, not {ours[key]!r}"
        for key in ours
        if key not in ("name", "dtype", "version", "noise_range", "noise_parameter") and ours[key] != theirs[key]
    ]
    if different:
        raise ValueError(f"{name}: cannot start from this model: {'; '.join(different)}")
    if source.noise_parameter == target.noise_parameter:
        target.set_weights(source.get_weights())
    else:
        target.network.set_weights(source.network.get_weights())


def save_model(model, path):
    """Write the model without its optimiser, in float32, whole or not at all."""
    plain = Denoiser.from_config({**model.get_config(), "dtype": "float32"})
    plain.set_weights(model.get_weights())
    write_atomically(path, plain.save)


def train(settings, run_dir, callbacks=(), source=None):
    """Train, or go on training, in `run_dir`.

    Args:
        settings: `TrainSettings`.
        run_dir: folder for flags.cfg, metrics.csv, tensorboard, checkpoint.npz and final.keras.
        callbacks: Keras callbacks beside our own.
        source: the training images, if they are open already.

    Returns:
        Path of final.keras, or None if the training was interrupted (a checkpoint is written then).

    Raises:
        ValueError, OSError: data or folder cannot be used; see `open_source` and `checkpoint.restore`.
    """
    run_dir = Path(run_dir)
    images = settings.train_clean or settings.train_noisy
    source = source or open_source(images, settings.channels, smallest=settings.crop)
    saved = run_dir / "checkpoint.npz"
    model = make_model(settings, resumed=saved.exists())
    step = checkpoint.restore(saved, model, settings, source.fingerprint) if saved.exists() else 0
    validation = None
    if settings.val_clean:
        validation = Validation(settings.val_clean, model.noise, settings.channels, settings.val_images)
    if step < settings.steps:
        crops = training_crops(
            source,
            model.noise,
            add_noise=settings.train_clean is not None,
            crop=settings.crop,
            minibatch=settings.minibatch,
            channels=settings.channels,
            algorithm=settings.algorithm,
            start=step * settings.minibatch,
            count=(settings.steps - step) * settings.minibatch,
            seed=settings.seed,
            freeze_noise=settings.freeze_noise,
            clip_noise=settings.clip_noise,
            length=settings.images,
            n2v_box=settings.n2v_box,
            n2v_percentage=settings.n2v_percentage,
            n2v_neighbourhood=settings.n2v_neighbourhood,
        )
        try:
            panel = validation or CropPanel(crops)
            write_atomically(run_dir / "flags.cfg", lambda temporary: Path(temporary).write_text(settings.as_flags()))
            records = Records(run_dir, settings, step, panel, source.fingerprint)
            model.fit(crops, verbose=0, callbacks=[Progress(settings, step), records, *callbacks])
        except Exception as error:
            failure = getattr(source, "failure", None)
            if failure is None or failure is error:
                raise
            raise failure from None
        if records.stopped is not None:
            return None
    elif settings.ema is not None:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    final = run_dir / "final.keras"
    save_model(model, final)
    return final
