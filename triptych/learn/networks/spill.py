"""Fits of networks that a killed job need not make again: each is kept as soon as it has predicted its rows.

A fit costs minutes to hours, and a job makes many (repeats, folds, seeds, inner folds). What it predicted lies in
`{predictions}.parts/`, a file a fit, named by a digest of everything that determines it: the weights that it begins
with, texts, numbers and labels of its training rows, the rows to predict, the model's section, seed and version. The
next job takes over what is whole and is still what it would make; the folder goes when the predictions are written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.core.files import canonical_json, digest_json, replace_json, writer_lock
from triptych.core.hdf import DamagedStore, read_arrays, write_arrays
from triptych.core.records import own_folder
from triptych.learn import seeds
from triptych.learn.networks.checkpoint import FACTS

if TYPE_CHECKING:
    from triptych.core.config import Model
    from triptych.learn.inputs import Block
    from triptych.learn.predict import Problem

#: Sections of a model that change none of its fits.
_BESIDE = {"tasks", "allow_label_source", "seeds", "decide", "inner", "select", "members"}

#: What computes a fit: networks, their tokens, and the vocabulary of text beside other inputs.
LIBRARIES = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")

_log = logging.getLogger("triptych.networks")


@dataclass
class Fits:
    """The fits of one model for one task.

    Attributes:
        out: the predictions file, beside which finished fits lie; None to keep nothing.
        device: `cpu` or `cuda:0`.
        version: of the stage.
        checkpoint: folder for the network that was fitted on all labelled videos, or None.
        task: the task's name, for the checkpoint.
        first: seed of the fit whose network the checkpoint holds.
        total: number of fits that the job makes; 0 when it is not known.
        done: fits so far; `taken` of them taken over.
    """

    out: Path | None = None
    device: str = "cpu"
    version: str = ""
    checkpoint: Path | None = None
    task: str = ""
    first: int = 0
    total: int = 0
    done: int = 0
    taken: int = 0
    _kept: Path | None = field(default=None, init=False)

    @property
    def parts(self) -> Path:
        """Folder of finished fits."""
        assert self.out is not None
        return self.out.with_name(self.out.name + ".parts")

    @contextlib.contextmanager
    def collected(self) -> Iterator[Fits]:
        """The one writer's place; when the block ends well the checkpoint is put in its place, and the parts go."""
        if self.out is None:
            yield self
            return
        with writer_lock(self.out):
            yield self
            if self.checkpoint is not None:
                if self.checkpoint.is_symlink():
                    self.checkpoint.unlink()
                shutil.rmtree(self.checkpoint, ignore_errors=True)
                self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
                if self._kept is None:
                    replace_json(self.checkpoint / FACTS, {"task": self.task, "videos": 0, "epochs": 0})
                else:
                    shutil.move(self._kept, self.checkpoint)
            shutil.rmtree(self.parts, ignore_errors=True)

    def fit_predict(
        self, problem: Problem, train: np.ndarray, rows: np.ndarray, seed: int, *, whole: bool = False
    ) -> np.ndarray:
        """Probabilities (n, K) of `rows` by a network fitted on `train`; taken over when an earlier job had them.

        Args:
            problem: the model and its blocks.
            train: training rows; balancing may repeat some.
            rows: to predict; there may be none.
            seed: of the fit.
            whole: these are the training rows of all labelled videos, which a checkpoint is fitted on.
        """
        from triptych.learn.networks import base

        network = base.make(
            problem.model, problem.blocks, multi=problem.multi, seed=seed, threads=problem.threads, device=self.device
        )
        self.done += 1
        place = f"fit {self.done} of {self.total}" if self.total else f"fit {self.done}"
        if self.out is None:
            return _fitted(network, problem, train, rows, place, seed)
        key = self._key(problem, network, train, rows, seed)
        own_folder(self.parts)
        saved = self.parts / f"checkpoint-{key}" if whole and seed == self.first and self.checkpoint else None
        self._kept = saved or self._kept
        found = _read(self.parts / f"{key}.h5", len(rows), problem)
        if found is not None and (saved is None or saved.is_dir()):
            self.taken += 1
            _log.info("%s: taken over", place)
            return found
        found = _fitted(network, problem, train, rows, place, seed)
        if saved is not None:
            self._save(network, saved, problem.data.classes)
        told = {"key": key, "notes": canonical_json(sorted(getattr(network, "notes", ())))}
        write_arrays(self.parts / f"{key}.h5", {"probability": found}, told)
        return found

    def _save(self, network: Any, folder: Path, classes: Sequence[str]) -> None:
        """Keep a fitted network, whole or not at all."""
        temporary = folder.with_name(f".{folder.name}.tmp.{os.getpid()}")
        for one in (temporary, folder):
            shutil.rmtree(one, ignore_errors=True)
        network.save(temporary, self.task, classes)
        temporary.replace(folder)

    def _key(self, problem: Problem, network: Any, train: np.ndarray, rows: np.ndarray, seed: int) -> str:
        told = {
            "version": self.version,
            "libraries": [_version(name) for name in LIBRARIES],
            # A card's numbers are others than the CPU's.
            "device": self.device.partition(":")[0],
            "model": section(problem.model),
            "identity": getattr(network, "identity", ""),
            "seed": seed,
            "multi": problem.multi,
            # A checkpoint names them.
            "classes": problem.data.classes,
            "targets": problem.targets[train].astype(int).tolist(),
            "groups": problem.groups[train].tolist(),
            "train": [content(block, train) for block in problem.blocks],
            "rows": [content(block, rows) for block in problem.blocks],
        }
        return digest_json(told)


def section(model: Model) -> dict[str, Any]:
    """What of a model's section determines its fits; of a checkpoint its content counts, not where it lies."""
    told = {key: value for key, value in model.model_dump().items() if key not in _BESIDE}
    if model.head == "finetune":
        told["params"] = {key: value for key, value in model.params.items() if key not in ("model", "revision")}
    return told


def content(block: Block, rows: np.ndarray) -> str:
    """Digest of what a block holds of some rows, in their order.

    Raises:
        TypeError: a block of a kind that is not known here.
    """
    digest = hashlib.sha256()
    digest.update(np.asarray(block.present[rows], dtype=bool).tobytes())
    texts = getattr(block, "texts", getattr(block, "documents", None))
    if texts is not None:
        digest.update(canonical_json([str(text) for text in texts[rows]]).encode())
        return digest.hexdigest()
    values, begin = getattr(block, "values", None), getattr(block, "begin", None)
    if values is None:
        raise TypeError(f"a block of kind {type(block).__name__} has no content to tell apart")
    digest.update(canonical_json([str(values.dtype), list(values.shape[1:])]).encode())
    for row in rows.tolist():
        one = values[row] if begin is None else values[int(begin[row]) : int(block.end[row])]
        digest.update(b"%d " % one.size + np.ascontiguousarray(one).tobytes())
    return digest.hexdigest()


def _version(name: str) -> str:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return ""


def _fitted(network: Any, problem: Problem, train: np.ndarray, rows: np.ndarray, place: str, seed: int) -> np.ndarray:
    """What a network predicts, after it was fitted."""
    started = time.monotonic()
    _log.info("%s: %d rows to learn from, %d to predict, seed %d", place, len(train), len(rows), seed)
    network.fit(train, problem.targets[train], problem.groups[train].tolist())
    found = np.asarray(network.predict_proba(rows), dtype=np.float64)
    problem.notes.update(getattr(network, "notes", ()))
    _log.info("%s: done in %.1f s", place, time.monotonic() - started)
    return found


def _read(path: Path, count: int, problem: Problem) -> np.ndarray | None:
    """What a fit predicted, and what it noted for the log; None when there is nothing whole."""
    try:
        arrays, attributes = read_arrays(path, ["probability"])
    except (FileNotFoundError, DamagedStore):
        return None
    found = arrays["probability"]
    if attributes.get("key") != path.stem or found.shape != (count, problem.targets.shape[1]):
        return None
    problem.notes.update(json.loads(attributes["notes"]))
    return found


def number(model: Model, folds: np.ndarray, inner: int, unlabelled: int, checkpoint: bool) -> int:
    """How many fits a job makes, where every training fold has something to learn from.

    Args:
        model: its section.
        folds: (repeats, n) fold of each labelled video.
        inner: inner folds of each training fold; 0 for none.
        unlabelled: number of videos without a label.
        checkpoint: whether a network of all labelled videos is wanted.
    """
    runs = seeds.count(model)
    outer = sum(len(np.unique(of_row)) for of_row in folds)
    return outer * (1 + inner) * runs + (runs if unlabelled else int(checkpoint))
