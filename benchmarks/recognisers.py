"""faster-whisper against openai-whisper: the same random weights of a true architecture, one thread, side by side.

One random Whisper of transformers is converted to CTranslate2 and to OpenAI's form; the difference of the two encoders
on one window shows that the weights are the same. Each decode of a window of 30 s makes the same number of tokens (the
end is suppressed), without time tokens, greedy and with five beams. Interleaved rounds; CPU seconds for a window are
medians, ratios are medians of the rounds' ratios. Random weights cost what trained ones do; real speech has other
lengths of text, and what voice detection leaves out is no part of this.

    python benchmarks/recognisers.py [--size tiny] [--full] [--tokens 80] [--windows 2] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

#: Numbers a layer, layers, heads (openai/whisper, model-card.md and the models' own dims).
SIZES = {"tiny": (384, 4, 6), "base": (512, 6, 8), "small": (768, 12, 12)}
TOKENS = 51865
EOT, FIRST_TIME = 50257, 50364


def build(folder: Path, size: str) -> tuple[Path, Path]:
    """A random Whisper in CTranslate2's and in OpenAI's form."""
    from tiny import speech

    tokenizer = speech.whisper_tokenizer()
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperProcessor

    width, layers, heads = SIZES[size]
    token = tokenizer.convert_tokens_to_ids
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=TOKENS,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        bos_token_id=token("<|endoftext|>"),
        eos_token_id=token("<|endoftext|>"),
        pad_token_id=token("<|endoftext|>"),
        decoder_start_token_id=token("<|startoftranscript|>"),
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    model = WhisperForConditionalGeneration(config)
    model.save_pretrained(folder / "hub")
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder / "hub")
    converted = speech.build_converted(folder / "converted", folder / "hub")
    state = {openai_name(name): value for name, value in model.model.state_dict().items()}
    dims = {"n_mels": 80, "n_audio_ctx": 1500, "n_vocab": TOKENS, "n_text_ctx": 448}
    dims |= {f"n_{part}_state": width for part in ("audio", "text")}
    dims |= {f"n_{part}_layer": layers for part in ("audio", "text")}
    dims |= {f"n_{part}_head": heads for part in ("audio", "text")}
    torch.save({"dims": dims, "model_state_dict": state}, folder / "openai.pt")
    return converted, folder / "openai.pt"


def openai_name(name: str) -> str:
    """The name of a tensor of transformers' Whisper in OpenAI's state."""
    for hub, own in (
        ("layers.", "blocks."),
        ("encoder_attn_layer_norm", "cross_attn_ln"),
        ("encoder_attn", "cross_attn"),
        ("self_attn_layer_norm", "attn_ln"),
        ("self_attn", "attn"),
        ("q_proj", "query"),
        ("k_proj", "key"),
        ("v_proj", "value"),
        ("out_proj", "out"),
        ("fc1", "mlp.0"),
        ("fc2", "mlp.2"),
        ("final_layer_norm", "mlp_ln"),
        ("encoder.layer_norm", "encoder.ln_post"),
        ("decoder.layer_norm", "decoder.ln"),
        ("embed_tokens", "token_embedding"),
        ("embed_positions.weight", "positional_embedding"),
    ):
        name = name.replace(hub, own)
    return name


def compare(size: str, tokens: int, windows: int, rounds: int) -> None:
    """Print seconds and ratios of one size."""
    import ctranslate2
    import numpy as np
    import torch
    import whisper
    from faster_whisper import BatchedInferencePipeline, WhisperModel
    from tiny import speech

    from triptych.speech import base

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        converted, openai = build(Path(temporary), size)
        reference = base.made_from({"use": "openai-whisper", "model": str(openai)})
        reference.load("cpu", 1, "auto")
        models = {
            kind: WhisperModel(str(converted), device="cpu", compute_type=kind, cpu_threads=1)
            for kind in ("int8", "float32")
        }
    sound = speech.noise(30 * windows)
    mel = whisper.log_mel_spectrogram(sound[: 30 * 16_000])
    with torch.inference_mode():
        one = reference.whisper.encoder(mel[None]).numpy()
    two = np.asarray(models["float32"].encode(np.ascontiguousarray(mel.numpy())))
    print(f"\n{size}: encoders differ by {np.abs(one - two).max():.1e} (values up to {np.abs(one).max():.1f})")
    clips = [{"start": 30 * number, "end": 30 * number + 30} for number in range(windows)]
    stop = models["int8"].hf_tokenizer.token_to_id("<|endoftext|>")

    def ours(kind: str, batch: int, beam: int) -> Callable[[], int]:
        def run() -> int:
            segments, _ = BatchedInferencePipeline(models[kind]).transcribe(
                sound,
                language="en",
                clip_timestamps=clips,
                batch_size=batch,
                beam_size=beam,
                temperature=0.0,
                # CTranslate2 gives text half of what prompt (of 4 tokens) and text may have together, less one.
                max_new_tokens=2 * tokens - 2,
                suppress_blank=False,
                suppress_tokens=[stop],
            )
            return sum(len(segment.tokens) for segment in segments)

        return run

    def theirs(beam: int) -> Callable[[], int]:
        def run() -> int:
            told = whisper.transcribe(
                reference.whisper,
                sound,
                language="en",
                fp16=False,
                temperature=0.0,
                beam_size=beam if beam > 1 else None,
                sample_len=tokens,
                without_timestamps=True,
                condition_on_previous_text=False,
                suppress_blank=False,
                # A random model writes time tokens too, which would send the package back into the window.
                suppress_tokens=[EOT, *range(FIRST_TIME, TOKENS)],
                no_speech_threshold=None,
                logprob_threshold=None,
                compression_ratio_threshold=None,
            )
            return sum(len(segment["tokens"]) for segment in told["segments"])

        return run

    print(f"{'':28} {'s a window':>10} {'ratio':>6}   tokens   (CTranslate2 {ctranslate2.__version__})")
    for beam in (1, 5):
        sides = {"openai-whisper": theirs(beam)}
        sides |= {"faster-whisper int8, batch 1": ours("int8", 1, beam), "int8, batch 8": ours("int8", 8, beam)}
        sides |= {"float32, batch 1": ours("float32", 1, beam)}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        made = {name: side() for name, side in sides.items()}
        for _ in range(rounds):
            for name, side in sides.items():
                began = time.process_time()
                side()
                seconds[name].append((time.process_time() - began) / windows)
        for name, found in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(seconds["openai-whisper"], found, strict=True))
            print(f"beam {beam}  {name:20} {statistics.median(found):10.2f} {ratio:6.2f}   {made[name]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--full", action="store_true", help="tiny and small")
    parser.add_argument("--tokens", type=int, default=80)
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for size in ("tiny", "small") if given.full else (given.size,):
        compare(size, given.tokens, given.windows, given.rounds)


if __name__ == "__main__":
    main()
