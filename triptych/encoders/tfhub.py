"""Loads a SavedModel of TensorFlow Hub from its local folder: quiet, on the CPU, within the job's threads."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from pathlib import Path
from typing import Any

from triptych.encoders.base import EncoderError
from triptych.encoders.quiet import hushed
from triptych.encoders.sounds import threads


def load(path: Path) -> Any:
    """The module of a folder with `saved_model.pb`.

    TensorFlow would take all memory of every graphics card; these networks are small, so cards are hidden from it.

    Raises:
        EncoderError: no SavedModel.
    """
    # Read when the library is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without it results depend on which kernels a processor gets.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with hushed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow
        import tensorflow_hub

    tensorflow.get_logger().setLevel(logging.ERROR)
    with contextlib.suppress(RuntimeError):  # when TensorFlow ran before in this process, its settings stay
        tensorflow.config.set_visible_devices([], "GPU")
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads())
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    if not (path / "saved_model.pb").is_file():
        raise EncoderError(f"{path} is no SavedModel (it has no saved_model.pb)")
    try:
        with hushed():
            return tensorflow_hub.load(str(path))
    except (OSError, ValueError, RuntimeError) as error:
        raise EncoderError(f"{path} cannot be loaded as a SavedModel: {error}") from error
