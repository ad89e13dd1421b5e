"""The models of Whisper by size, where each backend keeps them, and the languages that they know."""

from __future__ import annotations

import os
from pathlib import Path

#: Size -> id on the Hugging Face hub of the model converted for CTranslate2 (faster-whisper 1.2.1, utils.py).
CONVERTED = {
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "base": "Systran/faster-whisper-base",
    "small.en": "Systran/faster-whisper-small.en",
    "small": "Systran/faster-whisper-small",
    "medium.en": "Systran/faster-whisper-medium.en",
    "medium": "Systran/faster-whisper-medium",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}

#: Size -> sha256 of OpenAI's file (openai-whisper 20250625, __init__.py: part of each address).
OPENAI = {
    "tiny.en": "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
    "tiny": "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    "base.en": "25a8566e1d0c1e2231d1c762132cd20e0f96a85d16145c3a00adf5d1ac670ead",
    "base": "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    "small.en": "f953ad0fd29cacd07d5a9eda5624af0f6bcf2258be67c92b79389873d91e0872",
    "small": "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
    "medium.en": "d7440d1dc186f76616474e0ff0b3b6b879abc9d1a4926b7adfa41db2d497ab4f",
    "medium": "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1",
    "large-v1": "e4b87e7e0bf463eb8e6956e646f1e277e901512310def2c24bf0e11bd3c28e9a",
    "large-v2": "81f7c96c852ee8fc832187b0132e569d6c3065a3252ed18e56effd0b6a73e524",
    "large-v3": "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb",
    "large-v3-turbo": "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
}
#: Other names of sizes.
ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo"}

#: Languages that Whisper was trained on (whisper/tokenizer.py).
_CODES = """
en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk
te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo
ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue
"""
LANGUAGES = frozenset(_CODES.split())


def code_of(language: str | None) -> str | None:
    """The code that Whisper uses for a language tag: `pt` for `pt-BR`."""
    return language.replace("_", "-").split("-")[0].lower() if language else None


def language_fault(language: str | None, model: str) -> str | None:
    """What is wrong with the language of a Whisper source, or None."""
    code = code_of(language)
    if model.endswith(".en") and code not in (None, "en"):
        return f"the model {model} knows English alone, not {language!r}"
    if code is None or code in LANGUAGES:
        return None
    return f"Whisper does not know {language!r}; give a code such as `en`, or leave it out to have it detected"


def openai_file(size: str) -> Path:
    """Where openai-whisper keeps the model of a size (whether it is there or not)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache) / "whisper" / f"{ALIASES.get(size, size)}.pt"


def openai_address(size: str) -> str:
    """Where OpenAI offers the model of a size."""
    name = ALIASES.get(size, size)
    return f"https://openaipublic.azureedge.net/main/whisper/models/{OPENAI[name]}/{name}.pt"
