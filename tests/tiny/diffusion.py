"""A tiny random text-to-image pipeline, a CLIP with both of its sides, and summarisers; all of the true classes."""

from __future__ import annotations

import json
from pathlib import Path

from tiny import nli
from triptych.encoders.pretrained import libraries


def build_pipeline(folder: Path, longest: int = 24) -> Path:
    """A latent consistency model as SimianLuo/LCM_Dreamshaper_v7, without a safety checker."""
    libraries()
    import torch
    from diffusers import AutoencoderKL, LatentConsistencyModelPipeline, LCMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.random.fork_rng():
        torch.manual_seed(5)
        words = _clip_tokenizer(folder.with_name(f"{folder.name}-words"), longest)
        text = CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=32,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=longest,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
        pipe = LatentConsistencyModelPipeline(
            vae=AutoencoderKL(
                block_out_channels=[4, 8],
                in_channels=3,
                out_channels=3,
                down_block_types=["DownEncoderBlock2D"] * 2,
                up_block_types=["UpDecoderBlock2D"] * 2,
                latent_channels=4,
                norm_num_groups=2,
            ),
            text_encoder=CLIPTextModel(text),
            tokenizer=words,
            unet=UNet2DConditionModel(
                block_out_channels=(4, 8),
                layers_per_block=1,
                sample_size=32,
                in_channels=4,
                out_channels=4,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                cross_attention_dim=32,
                norm_num_groups=2,
                time_cond_proj_dim=32,
            ),
            scheduler=LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipe.save_pretrained(str(folder), safe_serialization=True)
    return folder


def _clip_tokenizer(folder: Path, longest: int):
    """CLIP's tokenizer over bytes: each with and without the end of a word, and no merges but one."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(ByteLevel.alphabet())
    listed = [*letters, *(f"{one}</w>" for one in letters), "th", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(listed)}))
    (folder / "merges.txt").write_text("#version: 0.2\nt h\n")
    return CLIPTokenizer.from_pretrained(str(folder), model_max_length=longest, local_files_only=True)


def build_clip(folder: Path, width: int = 12) -> Path:
    """A CLIP with its tokenizer and its image processor; other texts have other embeddings."""
    transformers = libraries()
    import torch

    words = _clip_tokenizer(folder, 20)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = transformers.CLIPConfig(
        text_config={**small, **ends, "vocab_size": len(words), "max_position_embeddings": 20},
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=width,
    )
    with torch.random.fork_rng():
        torch.manual_seed(4)
        made = transformers.CLIPModel(config)
        for parameter in made.parameters():
            if parameter.ndim >= 2:
                parameter.data += 0.3 * torch.randn_like(parameter)
    _saved(folder, made, words)
    side = {"height": 32, "width": 32}
    told = {
        "image_processor_type": "CLIPImageProcessor",
        **{"do_resize": True, "do_rescale": True, "do_normalize": True, "do_center_crop": True},
        **{"size": {"shortest_edge": 32}, "crop_size": side, "resample": 3, "rescale_factor": 1 / 255},
        **{"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def build_summariser(folder: Path, longest: int = 48) -> Path:
    """A BART that writes text, as sshleifer/distilbart-cnn-6-6."""
    libraries()
    import torch
    from transformers import BartConfig, BartForConditionalGeneration

    words = nli.tokenizer(longest)
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
        init_std=0.5,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(6)
        made = BartForConditionalGeneration(config)
    return _saved(folder, made, words)


def build_t5(folder: Path, longest: int = 48) -> Path:
    """A T5, whose configuration tells no number of positions."""
    libraries()
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    words = nli.tokenizer(longest)
    config = T5Config(
        vocab_size=len(words),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        made = T5ForConditionalGeneration(config)
    return _saved(folder, made, words)


def _saved(folder: Path, network, words) -> Path:
    network.eval().save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
