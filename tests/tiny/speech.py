"""Tiny random recognisers of the true classes: Whisper of transformers, its CTranslate2 form, OpenAI's form, CTC."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

WORDS = """the quick brown fox jumps over the lazy dog and runs away from a small village near the sea where people sing
all day long about ships and storms and nobody knows what the next morning brings to those who wait at the harbour"""
TONGUES = ("en", "fr", "de")


def whisper_tokenizer():
    """Byte-level BPE with the special tokens of Whisper."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from triptych.core import torchvision

    torchvision.mend()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import WhisperTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        [WORDS] * 4,
        trainers.BpeTrainer(vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    # Made-up words, more than there are time tokens; CTranslate2 tells a multilingual Whisper by its empty token.
    learned = json.loads(bpe.to_str())["model"]
    vocabulary = dict(learned["vocab"])
    for number in range(6000):
        vocabulary[f"Ġ{_word(number)}"] = len(vocabulary)
    vocabulary[""] = len(vocabulary)
    bpe.model = models.BPE(vocabulary, [tuple(one) for one in learned["merges"]])
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{tongue}|>" for tongue in TONGUES)]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
    special += ["<|notimestamps|>"]
    tokenizer = WhisperTokenizerFast(tokenizer_object=bpe, unk_token="<|endoftext|>", bos_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": special, "eos_token": "<|endoftext|>"})
    tokenizer.add_tokens([f"<|{number * 0.02:.2f}|>" for number in range(1501)])
    tokenizer.pad_token = "<|endoftext|>"
    return tokenizer


def _word(number: int) -> str:
    """A made-up word for a number."""
    syllables = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
    parts = []
    for _ in range(2):
        number, rest = divmod(number, len(syllables))
        parts.append(syllables[rest])
    return f"{''.join(parts)}{'xnlr'[number]}"


def build_whisper(folder: Path, seed: int = 0) -> Path:
    """Whisper of transformers with 2 layers of 32 numbers."""
    tokenizer = whisper_tokenizer()
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
    )

    token = tokenizer.convert_tokens_to_ids
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_source_positions=1500,
        max_target_positions=448,
        bos_token_id=token("<|endoftext|>"),
        eos_token_id=token("<|endoftext|>"),
        pad_token_id=token("<|endoftext|>"),
        decoder_start_token_id=token("<|startoftranscript|>"),
        suppress_tokens=[],
        begin_suppress_tokens=[token("<|endoftext|>")],
    )
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(config)
    with torch.no_grad():  # larger weights than those of a start, or every window gives the same text
        for parameter in model.parameters():
            parameter.mul_(4)
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        decoder_start_token_id=config.decoder_start_token_id,
        begin_suppress_tokens=config.begin_suppress_tokens,
        max_length=60,
        is_multilingual=True,
        lang_to_id={f"<|{tongue}|>": token(f"<|{tongue}|>") for tongue in TONGUES},
        task_to_id={"transcribe": token("<|transcribe|>"), "translate": token("<|translate|>")},
        no_timestamps_token_id=token("<|notimestamps|>"),
        prev_sot_token_id=token("<|startofprev|>"),
        max_initial_timestamp_index=50,
        alignment_heads=[[0, 0], [1, 1]],
        return_timestamps=False,
    )
    processor = WhisperProcessor(WhisperFeatureExtractor(feature_size=80), tokenizer)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return Path(folder)


def build_converted(folder: Path, whisper: Path) -> Path:
    """The CTranslate2 form of a Whisper of transformers."""
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(whisper), copy_files=["tokenizer.json"]).convert(str(folder), force=True)
    # The library takes its front end from this file; transformers 5 writes it as a part of the processor's.
    (Path(folder) / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}))
    return Path(folder)


def build_openai(path: Path, seed: int = 0, **changes) -> Path:
    """A file of openai-whisper: dims and state."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    dims = {
        "n_mels": 80,
        "n_audio_ctx": 1500,
        "n_audio_state": 32,
        "n_audio_head": 2,
        "n_audio_layer": 2,
        "n_vocab": 51865,
        "n_text_ctx": 448,
        "n_text_state": 32,
        "n_text_head": 2,
        "n_text_layer": 2,
        **changes,
    }
    torch.manual_seed(seed)
    model = Whisper(ModelDimensions(**dims))
    with torch.no_grad():  # it is left as the memory was
        model.decoder.positional_embedding.normal_(std=0.02)
    torch.save({"dims": dims, "model_state_dict": model.state_dict()}, path)
    return Path(path)


def build_wav2vec2(folder: Path, seed: int = 0) -> Path:
    """Wav2Vec2 with a CTC head over letters."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from triptych.core import torchvision

    torchvision.mend()
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {name: number for number, name in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKL"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    config = Wav2Vec2Config(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16, 16, 16),
        conv_kernel=(10, 8, 4),
        conv_stride=(5, 8, 8),
        num_feat_extract_layers=3,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    model = Wav2Vec2ForCTC(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(100)
    model.save_pretrained(folder)
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=True), tokenizer).save_pretrained(folder)
    return folder


def build_parakeet(folder: Path, seed: int = 0) -> Path:
    """Parakeet with a CTC head over word pieces."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from triptych.core import torchvision

    torchvision.mend()
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        ParakeetCTCConfig,
        ParakeetEncoderConfig,
        ParakeetFeatureExtractor,
        ParakeetForCTC,
        ParakeetProcessor,
        ParakeetTokenizer,
    )

    pieces = ["<unk>", *(f"▁{letter}" for letter in "abcdefgh"), *(a + b for a in "bdfk" for b in "aeiou")]
    unigram = Tokenizer(models.Unigram([(piece, -3.0) for piece in pieces], 0, False))
    unigram.pre_tokenizer, unigram.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = ParakeetTokenizer(tokenizer_object=unigram, unk_token="<unk>", pad_token="<pad>")
    encoder = ParakeetEncoderConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        subsampling_conv_channels=8,
        num_mel_bins=80,
    )
    torch.manual_seed(seed)
    config = ParakeetCTCConfig(
        vocab_size=len(tokenizer), encoder_config=encoder.to_dict(), pad_token_id=tokenizer.pad_token_id
    )
    ParakeetForCTC(config).save_pretrained(folder)
    ParakeetProcessor(ParakeetFeatureExtractor(), tokenizer).save_pretrained(folder)
    return Path(folder)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Bursts of noise with pauses between them: (n,) float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    length = int(seconds * 16_000)
    loud = (np.arange(length) // 8_000) % 3 > 0
    return (0.2 * rng.standard_normal(length) * loud).clip(-1, 1).astype(np.float32)
