"""Sound by VGGish through TensorFlow Hub.

Arrays, a row for each .96 s of sound, without overlap; what does not fill a patch at the end is dropped:
    embedding   (T, 128) the network's output as it is (before any activation).
    post        (T, 128) the same as AudioSet and YouTube-8M publish it, only with `pca`: whitened, 0 to 255.

Post-processing (tensorflow/models, research/audioset/vggish, `vggish_postprocess.py`): y = E (x - mu), clipped to
[-2, 2], brought to [0, 255] and truncated to whole numbers; E and mu are of the file `vggish_pca_params.npz`.

A sound below .975 s gives no patch and is `absent: too_short`; one that is silent throughout is `absent: silent`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.encoders import sounds, tfhub
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Sound
from triptych.encoders.logmel import HOP, PATCH, VGGISH
from triptych.encoders.registry import weights_of

VERSION = "1"

LENGTH = 128
#: Range that is kept of whitened embeddings.
CLIP = 2.0
#: Patches that go through the network at once (a minute of sound).
PATCHES = 64

CARD = ModelCard(
    name="vggish",
    modality="audio",
    arrays={"embedding": LENGTH, "post": LENGTH},
    revision="pinned by models.lock",
    licence="Apache-2.0",
    source="Hershey et al. 2017; tensorflow/models research/audioset; https://tfhub.dev/google/vggish/1",
    version=VERSION,
    extra="tf",
    packages=("tensorflow", "tensorflow_hub"),
    weights="tfhub",
    model="https://tfhub.dev/google/vggish/1",
    memory_mb=3000,
    parameters={
        "pca": Param("", "vggish_pca_params.npz; gives the array `post`", file=True),
    },
)


class Vggish:
    """The encoder."""

    card = CARD

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model = CARD.model
        self.revision: str | None = None
        self.network: Any = None
        self.pca: tuple[np.ndarray, np.ndarray] | None = None

    def load(self, device: str) -> None:
        """Load the SavedModel, on the CPU, and the parameters of the post-processing.

        Raises:
            EncoderError: not here, or not what they must be.
        """
        self.pca = read_pca(self.params["pca"]) if self.params["pca"] else None
        self.network = tfhub.load(weights_of(self).path)

    def encode(self, batch: Sequence[Sound]) -> list[Encoded]:
        """Arrays `embedding` and, with `pca`, `post` of each sound."""
        return [sounds.unusable(sound, least=PATCH) or self._one(sound) for sound in batch]

    def _one(self, sound: Sound) -> Encoded:
        samples = np.asarray(sound.samples, np.float32)
        count = VGGISH.count(len(samples))
        parts = [
            self.network(part).numpy() for part in sounds.stretches(samples, PATCH, VGGISH.step * HOP, count, PATCHES)
        ]
        arrays = {"embedding": np.concatenate(parts)}
        if arrays["embedding"].shape != (count, LENGTH):
            raise EncoderError(
                f"vggish: {self.model} gave {arrays['embedding'].shape} for {count} patches of {LENGTH} numbers"
            )
        if self.pca is not None:
            arrays["post"] = postprocess(arrays["embedding"], *self.pca).astype(np.float32)
        spans = VGGISH.spans(len(samples), sound.start)
        return Encoded(arrays, dict.fromkeys(arrays, spans))


def read_pca(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Matrix E (128, 128) and mean mu (128,) of `vggish_pca_params.npz`.

    Raises:
        EncoderError: not such a file.
    """
    try:
        with np.load(Path(path).expanduser(), allow_pickle=False) as found:
            matrix, mean = found["pca_eigen_vectors"], found["pca_means"].reshape(-1)
        if matrix.shape != (LENGTH, LENGTH) or mean.shape != (LENGTH,):
            raise ValueError(f"shapes {matrix.shape} and {mean.shape}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise EncoderError(f"vggish: {path} does not hold VGGish's PCA parameters ({error})") from error
    return matrix, mean


def postprocess(embeddings: np.ndarray, matrix: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(n, 128) uint8 of (n, 128) embeddings: whitened, clipped, quantised by truncation."""
    whitened = (np.asarray(embeddings, np.float64) - mean) @ np.asarray(matrix, np.float64).T
    return ((np.clip(whitened, -CLIP, CLIP) + CLIP) * (255.0 / (2 * CLIP))).astype(np.uint8)
