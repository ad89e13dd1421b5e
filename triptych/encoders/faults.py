"""What is wrong with the encoders and features of a study file, told before any job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triptych.core import weights
from triptych.encoders import registry
from triptych.encoders.base import WEIGHTS, EncoderError


def validate(
    name: str,
    encoder: Mapping[str, Any],
    short_side: int | None = None,
    uniform: int | None = None,
    *,
    installed: bool = True,
) -> list[str]:
    """What is wrong with an encoder of a study file, before any job; nothing heavy is imported.

    Args:
        name: its name in the study file.
        encoder: its section (`use`, `model`, `text`, `batch`, `params`, ...).
        short_side: short side of the stored keyframes (`keyframes.short_side`).
        uniform: number of frames at even times that are stored (`keyframes.uniform`).
        installed: packages must be importable here; not so where jobs have environments of their own.

    Returns:
        Faults, one line each; empty when it can run.
    """
    place = f"encoders.{name}"
    try:
        kind = registry.find(encoder["use"])
    except EncoderError as error:
        return [f"{place}.use: {error}"]
    card = kind.card
    faults = [f"{place}.params.{fault}" for fault in registry.parameter_faults(kind, encoder.get("params") or {})]
    missing = registry.missing_packages(card) if installed else []
    if missing:
        how = f'install it with: pip install "triptych[{card.extra}]"' if card.extra else "install it with pip"
        faults.append(f"{place}.use: {encoder['use']} needs {', '.join(missing)}, which is not installed; {how}")
    if short_side is not None and card.frame_side > short_side:
        faults.append(
            f"{place}.use: {encoder['use']} needs frames with a short side of {card.frame_side} pixels, but "
            f"keyframes.short_side is {short_side}; raise it to {card.frame_side}"
        )
    if card.modality == "image" and uniform == 0 and (encoder.get("frames") or card.frames) == "uniform":
        faults.append(f"{place}.frames: frames at even times are not stored; set keyframes.uniform, for example to 32")
    if card.has_model:
        for number, need in enumerate(weights.needs(kind, encoder)):
            try:
                located = weights.locate(need.model, need.revision, kind=need.kind, listed=need.listed)
            except weights.WeightsError as error:
                faults.append(f"{place}.model: {error}")
                continue
            # Weights may need more than the card says (a backbone of another package).
            if number == 0 and hasattr(kind, "lacks"):
                made = registry.made_from(encoder | {"params": {}})
                faults += [f"{place}.model: {one}" for one in made.lacks(located.path)]
    else:
        given = [key for key in ("model", "revision") if encoder.get(key)]
        faults += [f"{place}.{key}: {encoder['use']} has no weights to choose" for key in given]
    if card.modality == "text" and not encoder.get("text", ["transcript"]):
        faults.append(f"{place}.text: name at least one field: `transcript` or a column of the table")
    try:
        registry.arrays_of(encoder)
    except EncoderError as error:
        faults.append(f"{place}.text: {error}")
    return faults


def feature_faults(features: Mapping[str, Mapping[str, Any]], encoders: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Features that name an array which their encoder does not give; `from` is `encoder.array`."""
    faults = []
    for name, feature in features.items():
        encoder, _, array = (feature.get("from") or feature["from_"]).partition(".")
        try:
            made = registry.made_from(encoders[encoder])
            arrays = [array for array in registry.arrays_of(encoders[encoder]) if array not in made.card.records]
        except (EncoderError, KeyError):
            continue  # told by `validate`, or by the study file itself
        if array not in arrays:
            known = ", ".join(one for one in arrays if not one.endswith(WEIGHTS))
            faults.append(f"features.{name}.from: {encoder} gives no array {array!r}; it gives {known}")
        elif "wmean" in (feature.get("pool") or "").split("+") and array + WEIGHTS not in arrays:
            faults.append(f"features.{name}.pool: {encoder} gives no weights of {array!r}; use mean")
    return faults
