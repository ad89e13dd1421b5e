"""Tiny random models for zero-shot labels: an inference model of the true class, and a CLIP with its tokenizer."""

from pathlib import Path

from triptych.core import torchvision

torchvision.mend()

SENTENCES = [
    "this example is a harbour with ships and salt water",
    "this example is a kitchen with a pan and parsley",
    "this example is a meadow with green leaves of mint",
    "this example is a workshop where sparks jump from the nail",
    "a photo of a cat and the words of a film about rain",
]
LABEL2ID = {"contradiction": 0, "neutral": 1, "entailment": 2}


def tokenizer(longest: int = 48):
    """A byte-level BPE that ends texts as BART does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator(SENTENCES, trainer)
    ends = [(name, made.token_to_id(name)) for name in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=longest,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def build_nli(folder: Path, label2id: dict | None = None, longest: int = 48) -> Path:
    """A BART for sequence classification with the three outputs of inference models."""
    import torch
    from transformers import BartConfig, BartForSequenceClassification

    torch.manual_seed(3)
    words = tokenizer(longest)
    ids = label2id or LABEL2ID
    config = BartConfig(
        vocab_size=len(words),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=longest,
        # Wide, so that scores differ by more than noise.
        init_std=0.3,
        num_labels=len(ids),
        label2id=ids,
        id2label={place: name for name, place in ids.items()},
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
        forced_eos_token_id=2,
    )
    return _saved(folder, BartForSequenceClassification(config), words)


def build_clip(folder: Path, width: int = 12) -> Path:
    """A CLIP whose image and text embeddings have `width` numbers."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(4)
    words = tokenizer(20)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = CLIPConfig(
        text_config={**small, **ends, "vocab_size": len(words), "max_position_embeddings": 20},
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=width,
    )
    return _saved(folder, CLIPModel(config), words)


def _saved(folder: Path, model, words) -> Path:
    model.eval().save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
