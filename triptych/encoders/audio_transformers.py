"""Sound by networks of transformers: AST, the audio tower of CLAP, and any audio encoder (wav2vec 2.0, HuBERT).

A sound is cut into windows of one length; the last one ends where the sound ends. Nothing is padded but a sound that is
shorter than a window, and nothing is cut at random: the feature extractor of CLAP, which crops long inputs at random,
only ever sees inputs that fit. Features are computed by numpy (no torchaudio, no librosa).

Arrays:
    ast                 embedding (T, 768): mean of the two class tokens, the input of the classifier; scores (T, 527):
                        sigmoid of the classes' scores, where the checkpoint has a classifier.
    clap                embedding (T, 512): unit vectors of the space that sound and text share.
    audio-transformers  embedding (T, hidden size): mean of the last hidden states over a window's time.

A sound that is silent throughout is `absent: silent`, as for classic-audio; silent windows of other sounds are encoded.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from triptych.core import torchvision
from triptych.core.status import OK, Outcome
from triptych.encoders import pretrained, sounds
from triptych.encoders.base import Encoded, EncoderError, ModelCard, Param, Sound
from triptych.encoders.registry import weights_of

VERSION = "1"

#: New samples at the end of a sound that are worth a window (half a second).
LEAST = 8_000
#: Windows that go through the network at once.
WINDOWS_CPU, WINDOWS_GPU = 4, 32


def _parameters(window: float) -> dict[str, Param]:
    return {
        "window": Param(window, "seconds of a window", low=0.5, high=60),
        "hop": Param(window, "seconds from window to window", low=0.1, high=60),
        "max_windows": Param(64, "of longer sounds this many windows, evenly chosen, are read", low=1, high=10_000),
    }


def _card(name: str, arrays: Mapping[str, int], window: float, **facts: Any) -> ModelCard:
    return ModelCard(
        name=name,
        modality="audio",
        arrays=arrays,
        revision="pinned by models.lock",
        version=VERSION,
        extra="models",
        packages=("torch", "transformers"),
        weights="folder",
        memory_mb=4000,
        gpu=True,
        parameters=_parameters(window),
        **facts,
    )


@dataclass(frozen=True)
class Prepared:
    """Features of a sound's windows.

    Attributes:
        video: slug.
        features: one array a window, as the network takes it; empty when there is nothing to encode.
        spans: (T, 2) seconds.
        outcome: why there is nothing to encode.
    """

    video: str
    features: Sequence[np.ndarray]
    spans: np.ndarray
    outcome: Outcome = OK

    @property
    def nbytes(self) -> int:
        """Memory of the features."""
        return sum(one.nbytes for one in self.features)


class AudioTransformer:
    """Any audio encoder of transformers; the presets differ in what is loaded and what is read from it."""

    card: ClassVar[ModelCard] = _card(
        "audio-transformers",
        {"embedding": 768},
        10.0,
        licence="of the model",
        source="any audio encoder of transformers, for example facebook/wav2vec2-base (Baevski et al. 2020)",
    )

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.model = self.card.model
        self.revision: str | None = None
        self.device = "cpu"
        self.network: Any = None
        self.extractor: Any = None

    def lacks(self, folder: Path) -> list[str]:
        """What the model's folder must hold and does not, told before any job."""
        return pretrained.lacking(folder)

    def load(self, device: str) -> None:
        """Load network and feature extractor.

        Raises:
            EncoderError: not here, or not a network of this kind.
        """
        located = weights_of(self)
        # Read by the libraries when they are imported: no network, no pool of tokenizer threads.
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        torchvision.mend()
        from transformers import AutoConfig, AutoFeatureExtractor
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()  # the report of heads that are not read; what is missing is told below
        # AST's 128 bands are narrower than a bin at the low end; it was trained so.
        warnings.filterwarnings("ignore", message="At least one mel filter has all zero values")
        told = {"local_files_only": True, "trust_remote_code": False}
        try:
            config = AutoConfig.from_pretrained(str(located.path), **told)
            self.extractor = AutoFeatureExtractor.from_pretrained(str(located.path), **told)
            kind = self._class_of(config)
            network, found = kind.from_pretrained(
                str(located.path),
                **told,
                use_safetensors=located.safetensors or None,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError) as error:
            raise EncoderError(f"{self.card.name}: {self.model} cannot be loaded: {error}") from error
        missing = [name for name in found["missing_keys"] if not self._may_miss(name)]
        if missing:
            raise EncoderError(
                f"{self.card.name}: {self.model} lacks weights of {type(network).__name__} ({missing[0]} and "
                f"{len(missing) - 1} more); they would be random numbers"
            )
        self.device = device
        self.network = network.to(device).eval()

    def prepare(self, item: Sound) -> Prepared:
        """Windows of a sound and their features."""
        none = sounds.unusable(item)
        if none is not None:
            return Prepared(item.video, [], np.zeros((0, 2)), none.outcome)
        size, hop = (round(float(self.params[name]) * item.rate) for name in ("window", "hop"))
        edges = sounds.windows(len(item.samples), size, max(1, hop), int(self.params["max_windows"]), LEAST)
        samples = resampled(np.asarray(item.samples, np.float32), item.rate, self.extractor.sampling_rate)
        ratio = self.extractor.sampling_rate / item.rate
        features = [self._features(samples[round(first * ratio) : round(last * ratio)]) for first, last in edges]
        return Prepared(item.video, features, item.start + edges / item.rate)

    def encode(self, batch: Sequence[Sound | Prepared]) -> list[Encoded]:
        """Arrays of each sound; windows of one length go through the network together, across videos."""
        items = [self.prepare(item) if isinstance(item, Sound) else item for item in batch]
        todo = [(number, at) for number, item in enumerate(items) for at in range(len(item.features))]
        # Windows of one length side by side, and none padded: some of these networks have no mask.
        todo.sort(key=lambda place: items[place[0]].features[place[1]].shape)
        rows: dict[tuple[int, int], dict[str, np.ndarray]] = {}
        while todo:
            shape = items[todo[0][0]].features[todo[0][1]].shape
            most = WINDOWS_CPU if self.device == "cpu" else WINDOWS_GPU
            chosen = [place for place in todo[:most] if items[place[0]].features[place[1]].shape == shape]
            found = self._forward(np.stack([items[number].features[at] for number, at in chosen]))
            for row, place in enumerate(chosen):
                rows[place] = {name: values[row] for name, values in found.items()}
            todo = todo[len(chosen) :]
        return [
            self._encoded(item, [rows[number, at] for at in range(len(item.features))])
            for number, item in enumerate(items)
        ]

    def _encoded(self, item: Prepared, rows: Sequence[Mapping[str, np.ndarray]]) -> Encoded:
        if not rows:
            return Encoded(outcome=item.outcome)
        arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        return Encoded(arrays, dict.fromkeys(arrays, item.spans), notes=self._notes(arrays))

    def _forward(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Named (n, d) float32 arrays of (n, ...) features."""
        import torch

        with torch.inference_mode():
            found = self._read(torch.from_numpy(features).to(self.device))
        return {name: values.float().cpu().numpy() for name, values in found.items()}

    def _class_of(self, config: Any) -> Any:
        from transformers import AutoModel

        if config.is_encoder_decoder:
            raise ValueError(f"{config.model_type} is no encoder alone")
        return AutoModel

    def _may_miss(self, name: str) -> bool:
        """Weights that a checkpoint may lack: those that are used in training alone."""
        return "masked_spec_embed" in name

    def _features(self, samples: np.ndarray) -> np.ndarray:
        # A frame of AST's spectrum, and what the convolutions of wav2vec 2.0 see at once.
        samples = np.pad(samples, (0, max(0, sounds.FRAME - len(samples))))
        found = self.extractor(samples, sampling_rate=self.extractor.sampling_rate, return_tensors="np")
        return np.asarray(found[self._key()][0], np.float32)

    def _key(self) -> str:
        """The name under which the feature extractor gives, and the network takes, the features."""
        return self.extractor.model_input_names[0]

    def _read(self, features: Any) -> dict[str, Any]:
        found = self.network(**{self._key(): features}).last_hidden_state
        return {"embedding": found.mean(dim=1)}

    def _notes(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {}


class Ast(AudioTransformer):
    """Audio Spectrogram Transformer, with the scores of its classes where the checkpoint has a classifier."""

    card = _card(
        "ast",
        {"embedding": 768, "scores": 527},
        10.24,
        model="MIT/ast-finetuned-audioset-10-10-0.4593",
        licence="BSD-3-Clause",
        source="Gong, Chung and Glass 2021; https://huggingface.co/MIT/ast-finetuned-audioset-10-10-0.4593",
    )

    def _class_of(self, config: Any) -> Any:
        from transformers import ASTForAudioClassification, ASTModel

        if config.model_type != "audio-spectrogram-transformer":
            raise ValueError(f"it is {config.model_type}, not an Audio Spectrogram Transformer")
        self.classifies = "ASTForAudioClassification" in (config.architectures or ())
        return ASTForAudioClassification if self.classifies else ASTModel

    def _read(self, features: Any) -> dict[str, Any]:
        if not self.classifies:
            return {"embedding": self.network(features).pooler_output}
        # As ASTForAudioClassification does, with the pooled tokens kept on the way.
        pooled = self.network.audio_spectrogram_transformer(features).pooler_output
        return {"embedding": pooled, "scores": self.network.classifier(pooled).float().sigmoid()}

    def _notes(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        if "scores" not in arrays:
            return {}
        names = {int(number): name for number, name in self.network.config.id2label.items()}
        return sounds.likeliest(arrays["scores"], names, "likeliest sounds")


class Clap(AudioTransformer):
    """Audio tower of CLAP."""

    card = _card(
        "clap",
        {"embedding": 512},
        10.0,
        model="laion/clap-htsat-unfused",
        licence="Apache-2.0",
        source="Wu et al. 2023; https://huggingface.co/laion/clap-htsat-unfused",
    )

    @staticmethod
    def faults(params: Mapping[str, Any]) -> list[str]:
        """A longer window would be cropped at random."""
        return ["window: CLAP takes at most 10 s"] if params["window"] > 10 else []

    def _class_of(self, config: Any) -> Any:
        from transformers import ClapModel

        if config.model_type != "clap":
            raise ValueError(f"it is {config.model_type}, not CLAP")
        return ClapModel

    def _features(self, samples: np.ndarray) -> np.ndarray:
        most = int(self.extractor.nb_max_samples)
        if len(samples) > most:
            raise EncoderError(f"clap: {self.model} takes {self.extractor.max_length_s} s; set params.window to that")
        return super()._features(samples)

    def _read(self, features: Any) -> dict[str, Any]:
        import torch

        # No window is longer than the input: the extractor would mark one of a batch at random in fused models.
        longer = torch.zeros((len(features), 1), dtype=torch.bool, device=features.device)
        return {"embedding": self.network.get_audio_features(input_features=features, is_longer=longer).pooler_output}


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples at another rate, by a polyphase filter; nothing is there above half the lower rate."""
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly

    common = gcd(rate, wanted)
    return resample_poly(samples, wanted // common, rate // common).astype(np.float32)
