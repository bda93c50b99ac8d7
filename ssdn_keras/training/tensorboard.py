"""TensorBoard's files of a training."""

from ssdn_keras.training.event_files import keep_until


class TensorBoardFiles:
    """Scalars and pictures of a run; started again, events past the checkpoint are taken out.

    Args:
        folder: where they lie.
        images: number of images that the checkpoint has seen.
    """

    def __init__(self, folder, images):
        import tensorflow as tf

        self._tf, self._folder = tf, folder
        keep_until(folder, images)
        try:
            self._writer = tf.summary.create_file_writer(str(folder))
        except tf.errors.OpError as error:
            raise OSError(f"{folder}: {error.message}") from None

    def write(self, row, panel=None):
        """Write a row of metrics (a dict with "images") and a picture (uint8 H×W×C, or None).

        Raises:
            OSError: it could not be written.
        """
        try:
            with self._writer.as_default(step=row["images"]):
                for name, value in row.items():
                    if name not in ("images", "seconds"):
                        self._tf.summary.scalar(name, value)
                if panel is not None:
                    self._tf.summary.image("images", panel[None])
            self._writer.flush()
        except self._tf.errors.OpError as error:
            raise OSError(f"{self._folder}: {error.message}") from None

    def close(self):
        """End of the training."""
        try:
            self._writer.close()
        except self._tf.errors.OpError:  # what could not be written has been told before
            pass
