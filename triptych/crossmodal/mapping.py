"""What of one feature can be told from another: mappings of embeddings, fitted on training folds, scored by retrieval.

For every ordered pair of features and every method, a mapping is fitted on the training videos of a fold and asked for
its test videos. Each prediction then looks for its own video among the test videos of the same fold (the gallery), by
cosine. All is standardised by the training fold, so that the mean of the training videos is a vector of zeros.

Scores: mean cosine with the own target; recall at 1, 5 and 10 and median rank with ties counted fairly
(`evaluate.retrieval`); and the variance ratio tr Var(prediction) / tr Var(target) within folds. A mapping that hedges
predicts near the mean: its cosine may be good while its predictions hardly differ, which the ratio tells.

Nulls: the mean vector; the centroid of the video's true class, from training videos (what the class alone gives); and
permuted pairs: predictions held against other videos' targets of the fold, whole groups changing places, of the first
repeat. p is (1 + permutations at least as good) / (1 + permutations). Intervals: 95 % by bootstrap of whole groups,
the galleries kept as they are.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.config import Mapping as Section
from triptych.core.config import Task
from triptych.core.files import replace_text
from triptych.crossmodal import mappers, nulls, picture
from triptych.crossmodal.mapping_corpus import Corpus, read_block
from triptych.crossmodal.mapping_scores import Run, averaged
from triptych.crossmodal.mapping_table import METRICS, rounded, table
from triptych.evaluate import retrieval
from triptych.learn.predict import refuse_leaks
from triptych.learn.splits import folds_of
from triptych.learn.tasks import as_task, read_labels

VERSION = "1"

#: Fewest videos of a training fold, and of a gallery, that tell anything.
FEWEST = 2

_log = logging.getLogger("triptych")


class MappingError(ValueError):
    """Features that cannot be mapped; the message says why and what to do."""


def run_mapping(
    name: str,
    section: Section | Mapping[str, Any],
    task: Task | Mapping[str, Any],
    *,
    labels: Path | str,
    splits: Path | str,
    features: Mapping[str, Path | str],
    csv: Path | str,
    json: Path | str,
    svg: Path | str,
    bootstrap: int = 2000,
    seed: int = 0,
    threads: int = 1,
    refused: Path | str | None = None,
) -> dict[str, Any]:
    """Map features to one another and write the scores.

    Args:
        name: of the mapping.
        section: its section of the study file.
        task: the section of its task.
        labels: labels.parquet of the task.
        splits: the split file of the task.
        features: feature -> its HDF5 file.
        csv: table to write, a row for each pair and method.
        json: all of it, with folds, nulls and what was chosen.
        svg: the picture.
        bootstrap: resamples of the intervals.
        seed: of resamples and permutations.
        threads: of this job.
        refused: refused.json of the task: near-duplicates that count as unlabelled.

    Returns:
        What is written to `json`; the same inputs give the same bytes.

    Raises:
        MappingError: no pair of features has enough videos.
        LeakError: a group on both sides of a split.
    """
    from threadpoolctl import threadpool_limits

    section = section if isinstance(section, Section) else Section.model_validate(section)
    task = as_task(task)
    data = read_labels(labels, refused, together=True).labelled()
    blocks = {one: read_block(one, features[one], data.videos) for one in section.features}
    corpus = Corpus(data, folds_of(splits, data, task), blocks, section.reduce, task.seed, threads)
    with threadpool_limits(limits=threads):
        told = measure(corpus, section, bootstrap, seed)
    told = {"name": name, "task": section.task, **told}
    _refuse_empty(name, told)
    sealed.write_json(json, rounded(told))
    replace_text(csv, table(told))
    picture.draw(svg, told, f"{name}: {section.task}")
    return told


def measure(corpus: Corpus, section: Section, bootstrap: int, seed: int) -> dict[str, Any]:
    """Scores of every ordered pair of features and every method, as a JSON-able mapping."""
    pairs = list(itertools.permutations(section.features, 2))
    made = {pair: _Pair(corpus, section, *pair, seed=seed) for pair in pairs}
    for repeat, of_row in enumerate(corpus.folds):
        for fold in np.unique(of_row).tolist():
            cache = mappers.Decompositions()
            for pair in pairs:
                made[pair].fold(repeat, fold, of_row, cache)
            _log.info("repeat %d, fold %d: %d pairs of features mapped", repeat, fold, len(pairs))
            corpus.forget()
    return {
        "features": {
            one: {"videos": int(block.present.sum()), "width": int(block.values.shape[1])}
            for one, block in corpus.blocks.items()
        },
        "labelled": len(corpus.data.videos),
        "repeats": len(corpus.folds),
        "reduce": section.reduce,
        "permutations": section.permutations,
        "bootstrap": bootstrap,
        "seeds": {method: section.seeds if method in mappers.SEEDED else 1 for method in section.methods},
        "methods": {
            method: mappers.complete(mappers.PARAMETERS[method], section.params.get(method, {}))
            for method in section.methods
        },
        "pairs": [made[pair].told(bootstrap, seed) for pair in pairs],
    }


class _Pair:
    """One ordered pair of features: mappings of every method, over all folds."""

    def __init__(self, corpus: Corpus, section: Section, source: str, target: str, seed: int) -> None:
        self.corpus, self.section, self.source, self.target = corpus, section, source, target
        self.there = corpus.both(source, target)
        self.parts: dict[tuple[str, int, int], list[Run]] = {}
        self.chosen: dict[str, list[dict[str, Any]]] = {method: [] for method in section.methods}
        self.permuted: dict[str, nulls.Permuted] = {}
        self.folds: list[dict[str, Any]] = []
        self.seed = seed

    def fold(self, repeat: int, fold: int, of_row: np.ndarray, cache: mappers.Decompositions) -> None:
        """Fit on the other folds, score this one."""
        corpus, section = self.corpus, self.section
        train = np.flatnonzero(self.there & (of_row != fold))
        test = np.flatnonzero(self.there & (of_row == fold))
        used = min(len(train), len(test)) >= FEWEST
        told = {"repeat": repeat, "fold": fold, "train": len(train), "test": len(test), "used": used}
        self.folds.append(told)
        if not used:
            return
        refuse_leaks(corpus.data, train, test)
        (x, asked), (y, gallery) = (corpus.matrices(one, train, test) for one in (self.source, self.target))
        groups = corpus.groups[train].tolist()
        self._add("mean", repeat, 0, Run.of(test, np.zeros_like(gallery), gallery, fold))
        centroids = nulls.centroids(y, corpus.targets[train], corpus.targets[test])
        self._add("class", repeat, 0, Run.of(test, centroids, gallery, fold))
        pairings = None
        if repeat == 0:
            random = np.random.default_rng([self.seed, fold])
            pairings = nulls.pairings(corpus.groups[test], section.permutations, random)
        told["flat"] = not (x.any() and y.any())
        for method in section.methods:
            for run in range(section.seeds if method in mappers.SEEDED else 1):
                queries, places = asked[:, :0], gallery
                if told["flat"]:
                    # Nothing varies on one side: the mean is all that can be told.
                    queries = np.zeros_like(gallery)
                else:
                    given = section.params.get(method, {})
                    mapper = mappers.make(method, given, corpus.seed + repeat + 1000 * run, cache)
                    mapper.fit(x, y, groups)
                    self.chosen[method].append({"repeat": repeat, "fold": fold, "run": run, **mapper.chosen})
                    queries, places = mapper.transform(asked), mapper.place(gallery)
                self._add(method, repeat, run, Run.of(test, queries, places, fold))
                if pairings is not None:
                    null = self.permuted.setdefault(method, nulls.Permuted(section.permutations))
                    null.add(run, queries, places, pairings)

    def _add(self, kind: str, repeat: int, run: int, part: Run) -> None:
        self.parts.setdefault((kind, repeat, run), []).append(part)

    def _runs(self, kind: str, repeat: int | None = None) -> list[Run]:
        return [
            Run.joined(parts)
            for (one, number, _), parts in self.parts.items()
            if one == kind and (repeat is None or number == repeat)
        ]

    def told(self, bootstrap: int, seed: int) -> dict[str, Any]:
        """All of it, JSON-able."""
        corpus = self.corpus
        alone = {one: corpus.blocks[one].present for one in (self.source, self.target)}
        found = {
            "source": self.source,
            "target": self.target,
            "left_out": {
                f"no_{side}": int((~alone[one]).sum())
                for side, one in (("source", self.source), ("target", self.target))
            },
            "folds": self.folds,
        }
        means = self._runs("mean")
        if not means:
            note = f"too few videos have both {self.source} and {self.target} ({int(self.there.sum())})"
            return {**found, "n": 0, "groups": 0, "note": note, "methods": {}}
        rows = np.unique(np.concatenate([run.rows for run in means]))
        sizes = np.concatenate([np.bincount(run.fold)[run.fold] for run in means])
        found |= {
            "n": len(rows),
            "groups": len({str(group) for group in corpus.groups[rows]}),
            "gallery": float(np.mean(sizes)),
            "chance": retrieval.chance(sizes),
            "nulls": {kind: averaged([run.scores() for run in self._runs(kind)]) for kind in ("mean", "class")},
        }
        found["methods"] = {method: self._method(method, bootstrap, seed) for method in self.section.methods}
        return found

    def _method(self, method: str, bootstrap: int, seed: int) -> dict[str, Any]:
        runs = self._runs(method)
        scored = [run.scores() for run in runs]
        point, limits = averaged(scored), nulls.limits(runs, self.corpus.groups, bootstrap, seed)
        null = {}
        if method in self.permuted:
            null = self.permuted[method].told(averaged([run.scores() for run in self._runs(method, 0)]))
        per_fold = [
            {"repeat": repeat, "run": run, "fold": int(part.fold[0]), **part.scores()}
            for (kind, repeat, run), parts in self.parts.items()
            if kind == method
            for part in parts
        ]
        return {
            "scores": {
                name: {"value": point[name], "low": low, "high": high}
                for name, (low, high) in ((name, limits.get(name, (None, None))) for name in METRICS)
            },
            "permuted": null,
            "seeds_sd": {name: float(np.std([one[name] for one in scored])) for name in METRICS}
            if len(scored) > 1
            else {},
            "chosen": self.chosen[method],
            "per_fold": per_fold,
        }


def _refuse_empty(name: str, told: Mapping[str, Any]) -> None:
    for pair in told["pairs"]:
        if not pair["n"]:
            _log.warning("mapping %s: %s; the pair is left out", name, pair["note"])
    if all(not pair["n"] for pair in told["pairs"]):
        counted = ", ".join(f"{one} {facts['videos']}" for one, facts in told["features"].items())
        raise MappingError(
            f"mapping {name}: no pair of features has {FEWEST} training and {FEWEST} test videos in any fold "
            f"({told['labelled']} labelled videos; with {counted}); see status.tsv for what the features lack, or take "
            "another task or other features"
        )


def faults(name: str, section: Section, pools: Mapping[str, str]) -> list[str]:
    """What is wrong with a section of the study file, before any job.

    Args:
        name: of the mapping.
        section: its section.
        pools: feature -> its pooling.
    """
    place = f"mapping.{name}"
    found = []
    for kind in ("features", "methods"):
        listed = getattr(section, kind)
        found += [f"{place}.{kind}: {one!r} is named twice" for one in sorted(set(listed)) if listed.count(one) > 1]
    for one in section.features:
        if pools.get(one) == "sequence":
            found.append(f"{place}.features: {one!r} is a sequence; map a pooled feature (`pool: mean`)")
    for method, given in section.params.items():
        found += [f"{place}.params.{fault}" for fault in mappers.faults(method, given)]
        if method in mappers.PARAMETERS and method not in section.methods:
            found.append(f"{place}.params.{method}: this method is not among `methods`")
    return found
