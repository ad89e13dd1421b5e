"""Zero-shot labels by similarity: the mean embedding of a video against embeddings of label prompts, by cosine.

A text encoder embeds the prompts itself; for CLIP's image embeddings they go through the text tower of the same
checkpoint (Radford et al., 2021). With one label a video scores are the softmax of cosines over the temperature; with
several, the cosines themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.config import Relabel, nearest
from triptych.core.files import digest_json
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.core.store import DamagedStore, read_column, read_index
from triptych.encoders import base, registry
from triptych.encoders.shelf import Shelf
from triptych.learn.labeller import Given
from triptych.learn.relabel_files import RelabelError

#: Of text encoders: cosines of related and unrelated sentences differ by a few tenths.
TEMPERATURE = 0.05


class Similarity:
    """The labeller (see `relabel.Labeller`)."""

    def __init__(
        self, section: Relabel, labels: Sequence[str], study: Mapping[str, Any], paths: Paths, shards: Sequence[str]
    ) -> None:
        self.section, self.labels, self.paths, self.shards = section, list(labels), paths, shards
        self.encoder = study["encoders"][section.encoder]
        try:
            self.told = registry.signature(self.encoder)
        except base.EncoderError as error:
            raise RelabelError(f"encoders.{section.encoder}: {error}") from error
        self.clip = registry.find(self.encoder["use"]).card.name == "clip"

    def signature(self) -> dict[str, Any]:
        """Encoder, template and temperature."""
        section = self.section
        return {
            "use": "similarity",
            "encoder": section.encoder,
            "model": self.encoder.get("model") or self.told["name"],
            "identity": self.told["revision"],
            "array": section.array,
            "template": section.template,
            "multi_label": section.multi_label,
            "temperature": section.temperature,
            "prompts": self.told,
        }

    def read(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Given]:
        """The mean of each video's embedding.

        Raises:
            DamagedStore: shard files that cannot be trusted; each was set aside, so that the next run makes it again.
        """
        wanted = {row["slug"] for row in rows}
        found: dict[str, Given] = {}
        faults = []
        for shard in self.shards:
            path = self.paths.embeddings(self.section.encoder, shard)
            try:
                column, index = read_column(path, self.section.array), read_index(path)
                if column.damaged:
                    raise DamagedStore(f"{path}: damaged entries of {', '.join(sorted(column.damaged)[:5])}")
            except DamagedStore as error:
                Shelf(Path(path)).set_aside()
                faults.append(str(error))
                continue
            # Some text encoders tell how much text each vector stands for.
            weights = dict(read_column(path, f"{self.section.array}_weights"))
            means = {video: mean(values, weights.get(video)) for video, values in column}
            for line in index:
                video = line["video"]
                if video not in wanted:
                    continue
                outcome = Outcome.from_dict(line)
                if outcome.ok and video not in means:
                    outcome = Outcome("absent", f"no_{self.section.array}", f"no array {self.section.array!r}")
                digest = digest_json([line["key"], self.section.array])
                found[video] = Given(digest, outcome, means.get(video) if outcome.ok else None)
        if faults:
            raise DamagedStore("damaged shard files were set aside; run snakemake again:\n  " + "\n  ".join(faults))
        return found

    def load(self, device: str, threads: int) -> None:
        """Embed the prompts: `prompts` (K, D), rows of length one."""
        import sys

        sentences = [self.section.template.format(label) for label in self.labels]
        temperature = TEMPERATURE
        if self.clip:
            from triptych.encoders.clip_text import ClipText

            tower = ClipText(registry.weights_of(registry.made_from(self.encoder)))
            tower.load(device)
            _keep_to(sys.modules.get("torch"), threads)
            self.prompts, temperature = unit(tower.encode(sentences)), tower.temperature
        else:
            self.prompts = unit(self._by_encoder(sentences, device, threads))
        self.temperature = self.section.temperature or temperature

    def _by_encoder(self, sentences: Sequence[str], device: str, threads: int) -> np.ndarray:
        import sys

        made = registry.made_from(self.encoder)
        made.load(device)
        _keep_to(sys.modules.get("torch"), threads)
        prepare = getattr(made, "prepare", None)
        array = self.section.array
        # An encoder may keep fields apart, each in an array of its own.
        for field in self.encoder.get("text") or ["transcript"]:
            items = [base.Words(str(place), [(field, [(0.0, 0.0, text)])]) for place, text in enumerate(sentences)]
            encoded = made.encode([prepare(item) for item in items] if prepare else items)
            if all(len(one.arrays.get(array, ())) for one in encoded):
                return np.stack([mean(one.arrays[array], one.arrays.get(f"{array}_weights")) for one in encoded])
        raise RelabelError(f"{self.section.encoder} gives no array {array!r} of the label prompts")

    def score(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Scores (n, K) of vectors (D,).

        Raises:
            RelabelError: prompts have another length.
        """
        vectors = np.stack(values)
        if vectors.shape[1] != self.prompts.shape[1]:
            raise RelabelError(
                f"{self.section.encoder}.{self.section.array} has {vectors.shape[1]} numbers a video, label prompts "
                f"have {self.prompts.shape[1]}; they must be of one space"
            )
        cosines = unit(vectors) @ self.prompts.T
        if self.section.multi_label:
            return cosines
        logits = cosines / self.temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def mean(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean (D,) of vectors (T, ...), weighted by (T, 1) where there are weights."""
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    if weights is None or len(weights) != len(flat) or not np.sum(weights) > 0:
        return flat.mean(axis=0)
    return np.average(flat, axis=0, weights=np.asarray(weights, np.float64).reshape(-1))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows (n, D) of length one; zeros stay."""
    rows = np.asarray(rows, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def faults(section: Relabel, encoders: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is wrong with the encoder of a section, before any job."""
    encoder = encoders.get(section.encoder or "")
    try:
        made = registry.made_from(encoder) if encoder else None
    except base.EncoderError:
        return []  # told of the encoder itself
    if encoder is None or made is None:
        return []
    card = made.card
    if card.modality != "text" and card.name != "clip":
        return [
            f"encoder: {section.encoder} reads {card.modality} and cannot embed label prompts; use a text encoder or "
            "one with `use: clip`"
        ]
    pool = (encoder.get("params") or {}).get("pool", "auto")
    if card.name == "clip" and pool != "auto":
        return [f"encoder: with `pool: {pool}` {section.encoder} is in no space with text; use `pool: auto`"]
    arrays = made.arrays_of(encoder) if hasattr(made, "arrays_of") else card.arrays
    known = [name for name in arrays if name not in card.records and not name.endswith("_weights")]
    if section.array not in known:
        near = nearest(section.array, known)
        return [f"array: {section.encoder} gives no array {section.array!r}{near}; it gives {', '.join(known)}"]
    return []


def _keep_to(torch: Any, threads: int) -> None:
    if torch is not None:
        torch.set_num_threads(threads)
