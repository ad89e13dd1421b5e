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

    Raises:
        EncoderError: no SavedModel.
    """
    tensorflow()
    with hushed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_hub

    if not (path / "saved_model.pb").is_file():
        raise EncoderError(f"{path} is no SavedModel (it has no saved_model.pb)")
    try:
        with hushed():
            return tensorflow_hub.load(str(path))
    except (OSError, ValueError, RuntimeError) as error:
        raise EncoderError(f"{path} cannot be loaded as a SavedModel: {error}") from error


def tensorflow() -> Any:
    """TensorFlow, imported and set up.

    It would take all memory of every graphics card; these networks are small, so cards are hidden from it.
    """
    # Read when the library is imported. Without oneDNN results do not depend on the kernels that a processor gets.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with hushed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(ImportError):
            # A part of torch. Both bring LLVM: imported after TensorFlow it ends the process, before it all is well.
            import triton  # noqa: F401
        import tensorflow as imported

    imported.get_logger().setLevel(logging.ERROR)
    with contextlib.suppress(RuntimeError):  # when TensorFlow ran before in this process, its settings stay
        imported.config.set_visible_devices([], "GPU")
        imported.config.threading.set_intra_op_parallelism_threads(threads())
        imported.config.threading.set_inter_op_parallelism_threads(1)
    return imported
