"""TensorBoard's files of a run that goes on: what was written past the checkpoint is taken out again."""

from pathlib import Path

from ssdn_keras.atomic import write_atomically


def keep_until(folder, images):
    """Rewrite the event files in `folder` so that they hold no event of a step after `images`, and no broken record.

    TensorBoard would otherwise show these steps twice.
    """
    import tensorflow as tf

    for path in sorted(Path(folder).glob("events.out.tfevents.*")):
        kept, changed = _records(tf, path, images)
        if changed and not kept:
            path.unlink()
        elif changed:
            write_atomically(path, lambda temporary, kept=kept: _write(tf, temporary, kept))


def _records(tf, path, images):
    """Records to keep, and whether the file holds others."""
    kept, changed, steps = [], False, 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            if event.step > images:
                changed = True
                continue
            kept.append(record)
            steps += bool(event.summary.value)
    except (tf.errors.OpError, ValueError):  # cut off in the middle of a record, or damaged
        changed = True
    return (kept if steps else []), changed


def _write(tf, path, records):
    with tf.io.TFRecordWriter(path) as writer:
        for record in records:
            writer.write(record)
