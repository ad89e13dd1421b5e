"""A tiny text network of a true class, and an encoder of a user's own that reads one as the contract asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from triptych.encoders.base import Encoded, EncoderError, ModelCard
from triptych.encoders.registry import weights_of

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "the", "dog", "cat", "film", "of", "and", "sea", "plays", "runs"]


def build_reader(folder: Path, pickled: bool = False) -> Path:
    """A DistilBERT of 2 layers and 16 dimensions with its tokenizer, as safetensors or as `pytorch_model.bin`."""
    from triptych.core import torchvision

    torchvision.mend()
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
    tokenizer.save_pretrained(folder)
    model = DistilBertModel(DistilBertConfig(vocab_size=len(WORDS), dim=16, hidden_dim=32, n_layers=2, n_heads=2))
    model.save_pretrained(folder)
    if pickled:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


class Lacking:
    """An encoder whose extra is not installed."""

    card = ModelCard(
        name="lacking",
        modality="text",
        arrays={"embedding": 16},
        revision="none",
        licence="MIT",
        source="a test",
        packages=("package_that_nobody_has",),
        extra="models",
    )

    def __init__(self, params):
        pass

    def load(self, device):
        import package_that_nobody_has  # noqa: F401

    def encode(self, batch):
        return []


class Reader:
    """Mean of the last layer over the words of a text."""

    card = ModelCard(
        name="reader",
        modality="text",
        gpu=True,
        arrays={"embedding": 16},
        revision="pinned by models.lock",
        licence="MIT",
        source="a test",
        weights="folder",
        model="tiny/reader",
        packages=("transformers",),
        extra="models",
    )

    def __init__(self, params):
        self.params = params

    def load(self, device):
        import os

        from triptych.core import torchvision

        os.environ["HF_HUB_OFFLINE"] = "1"
        torchvision.mend()
        from transformers import AutoModel, AutoTokenizer

        found = weights_of(self)
        here = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(str(found.path), **here)
            self.network = AutoModel.from_pretrained(str(found.path), use_safetensors=found.safetensors or None, **here)
        except (OSError, ValueError) as error:
            raise EncoderError(f"{self.model} cannot be loaded: {error}") from error

    def encode(self, batch):
        import torch

        found = []
        for item in batch:
            text = " ".join(text for _, segments in item.fields for _, _, text in segments)
            with torch.inference_mode():
                numbers = torch.tensor([self.tokenizer(text)["input_ids"][:64]])
                last = self.network(input_ids=numbers).last_hidden_state
            row = last.mean(dim=1).numpy()
            found.append(Encoded({"embedding": row}, {"embedding": np.zeros((1, 2))}))
        return found
