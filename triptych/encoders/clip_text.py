"""CLIP's text tower: prompts and text in the space of the checkpoint's image embeddings (Radford et al., 2021)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np

from triptych.core import torchvision
from triptych.core.weights import Located
from triptych.encoders.base import EncoderError
from triptych.encoders.text_windows import windows

#: Prompts that go through the tower at once.
BATCH = 64


class ClipText:
    """The text side of a CLIP checkpoint.

    Args:
        located: its weights, the same as of the encoder `clip`.

    Attributes:
        temperature: 1 over the checkpoint's own scale of cosines (0.01 for the published ones); set by `load`.
    """

    def __init__(self, located: Located) -> None:
        self.located = located
        self.temperature = 0.01

    def load(self, device: str) -> None:
        """Load model and tokenizer.

        Raises:
            EncoderError: the checkpoint lacks weights of the text side (an image tower alone).
        """
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        torchvision.mend()
        from transformers import AutoTokenizer, CLIPModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        path = str(self.located.path)
        options = {"local_files_only": True, "trust_remote_code": False}
        self.tokenizer = AutoTokenizer.from_pretrained(path, **options)
        safetensors = self.located.safetensors or None
        model, told = CLIPModel.from_pretrained(path, use_safetensors=safetensors, output_loading_info=True, **options)
        # What is missing would be made up of random numbers.
        lacking = sorted(name for name in told["missing_keys"] if not name.startswith("vision_model"))
        if lacking:
            raise EncoderError(
                f"{self.located.model} has no text tower (it lacks {len(lacking)} tensors, such as {lacking[0]}); "
                "name a whole CLIP checkpoint"
            )
        self.model = model.eval().to(device)
        self.device = device
        self.temperature = float(1.0 / self.model.logit_scale.exp().item())

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Projected text embeddings (n, D) float64, not scaled to length one; texts are cut at the model's length."""
        import torch

        most = int(self.model.config.text_config.max_position_embeddings)
        found = []
        with torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                batch = self.tokenizer(
                    list(texts[start : start + BATCH]),
                    padding=True,
                    truncation=True,
                    max_length=most,
                    return_tensors="pt",
                ).to(self.device)
                told = self.model.get_text_features(
                    input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
                )
                # transformers 5 gives an output object, earlier ones the tensor.
                vectors = getattr(told, "pooler_output", told)
                found.append(vectors.float().cpu().numpy().astype(np.float64))
        return np.concatenate(found)

    def chunks(self, segments: Iterable[tuple[float, float, str]]) -> list[str]:
        """Timed segments as texts that the tower reads whole: runs of segments, by its own tokens."""
        room = int(self.model.config.text_config.max_position_embeddings)
        room -= self.tokenizer.num_special_tokens_to_add(False)
        return [one.text for one in windows(segments, room, self._tokens)]

    def _tokens(self, texts: list[str]) -> list[int]:
        listed = self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return [len(one) for one in listed]
