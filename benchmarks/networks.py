"""Networks with random weights, tiny or of the real size, as encoders of one's own: for `startup.py`.

They do what real encoders do (a checkpoint on disk, read by transformers; preparation in a thread; batches across
videos) and mean nothing: the weights are random.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import torchvision
from triptych.encoders.base import Encoded, ModelCard, Param


def card(name: str, modality: str) -> ModelCard:
    return ModelCard(
        name=name,
        modality=modality,
        arrays={"embedding": 0},
        revision="random",
        licence="none",
        source="random weights",
        gpu=True,
        parameters={"folder": Param("", "of the checkpoint")},
    )


@dataclass
class Prepared:
    """What a thread made of an item."""

    video: str
    values: np.ndarray
    times: np.ndarray


class Network:
    """What the three have in common."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.folder = params["folder"]

    def read(self, kind: str, device: str) -> Any:
        """A network from its folder, on the device, for inference."""
        torchvision.mend()
        import transformers

        self.device = device
        return getattr(transformers, kind).from_pretrained(self.folder, local_files_only=True).eval().to(device)

    def encode(self, batch: list[Prepared]) -> list[Encoded]:
        """Rows of all items together in mini-batches, and apart again."""
        import torch

        rows = np.concatenate([item.values for item in batch])
        out = [
            self.forward(torch.from_numpy(rows[start : start + 32]).to(self.device)).float().cpu().numpy()
            for start in range(0, len(rows), 32)
        ]
        split = np.split(np.concatenate(out), np.cumsum([len(item.values) for item in batch])[:-1])
        return [
            Encoded({"embedding": part}, {"embedding": item.times}) for item, part in zip(batch, split, strict=True)
        ]


class Seen(Network):
    """CLIP's image tower over keyframes."""

    card = card("seen", "image")
    prepare_parallel = True

    def load(self, device: str) -> None:
        self.model = self.read("CLIPVisionModel", device)
        self.side = self.model.config.image_size

    def prepare(self, item) -> Prepared:
        import cv2

        frames = [cv2.resize(frame, (self.side, self.side), interpolation=cv2.INTER_AREA) for frame in item.frames]
        values = np.stack(frames).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        return Prepared(item.video, values, np.repeat(np.asarray(item.times)[:, None], 2, axis=1))

    def forward(self, pixels):
        return self.model(pixel_values=pixels).last_hidden_state[:, 0]


class Heard(Network):
    """Whisper's encoder over stretches of 30 s."""

    card = card("heard", "audio")

    def load(self, device: str) -> None:
        from transformers import WhisperFeatureExtractor

        self.model = self.read("WhisperModel", device).encoder
        self.front = WhisperFeatureExtractor(self.model.config.num_mel_bins)

    def prepare(self, item) -> Prepared:
        chunks = [item.samples[at : at + 480_000] for at in range(0, max(1, len(item.samples)), 480_000)]
        values = self.front(chunks, sampling_rate=16_000, return_tensors="np").input_features
        starts = item.start + 30.0 * np.arange(len(chunks))
        return Prepared(item.video, values.astype(np.float32), np.stack([starts, starts + 30], axis=1))

    def forward(self, mel):
        return self.model(mel).last_hidden_state.mean(dim=1)


class Said(Network):
    """DistilBERT over the text, its bytes as tokens: a tokenizer of random words would measure nothing."""

    card = card("said", "text")

    def load(self, device: str) -> None:
        self.model = self.read("DistilBertModel", device)

    def prepare(self, item) -> Prepared:
        text = " ".join(text for _, segments in item.fields for _, _, text in segments).encode()[:128].ljust(128)
        return Prepared(item.video, np.frombuffer(text, np.uint8).astype(np.int64)[None], np.zeros((1, 2)))

    def forward(self, tokens):
        return self.model(input_ids=tokens).last_hidden_state.mean(dim=1)


def build(folder: Path, size: str) -> dict[str, dict[str, Any]]:
    """Checkpoints of the three, `tiny` or `real`; sections of a study file."""
    torchvision.mend()
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModel,
        DistilBertConfig,
        DistilBertModel,
        WhisperConfig,
        WhisperModel,
    )

    tiny = size == "tiny"
    narrow = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    clip = CLIPVisionConfig(**narrow, image_size=64, patch_size=16) if tiny else CLIPVisionConfig()
    bert = DistilBertConfig(dim=32, hidden_dim=64, n_layers=2, n_heads=2) if tiny else DistilBertConfig()
    whisper = WhisperConfig(**whisper_size("tiny" if tiny else "base"))
    made = {"Seen": CLIPVisionModel(clip), "Heard": WhisperModel(whisper), "Said": DistilBertModel(bert)}
    for name, model in made.items():
        model.save_pretrained(folder / name)
    return {name.lower(): {"use": f"networks:{name}", "params": {"folder": str(folder / name)}} for name in made}


def whisper_size(size: str) -> dict[str, Any]:
    """Arguments of WhisperConfig; `tiny` is smaller than OpenAI's."""
    width, layers, decoder, heads = {
        "tiny": (32, 2, 2, 2),
        "base": (512, 6, 6, 8),
        "small": (768, 12, 12, 12),
        "large-v3-turbo": (1280, 32, 4, 20),
    }[size]
    large = size == "large-v3-turbo"
    return {
        "d_model": width,
        "encoder_layers": layers,
        "decoder_layers": decoder,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "num_mel_bins": 128 if large else 80,
        "vocab_size": 51_866 if large else 51_865,
    }
