"""Out-of-fold predictions of one model for one task: everything is fitted inside its training fold.

For each repeat and fold the model learns from the other folds and predicts the fold (role `test`), once for each seed.
Members of a stack also predict each training row out of inner folds of the same groups (role `inner`). Unlabelled
videos are predicted by the model refitted on all labelled ones (role `new`; the mean over the seeds).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.config import Model, Task
from triptych.learn import balance as balancing
from triptych.learn import decide, fusion, heads, seeds, select
from triptych.learn.inputs import Block, FeatureBlock, SequenceBlock, assemble, covered
from triptych.learn.networks import spill as networks
from triptych.learn.networks.spill import Fits
from triptych.learn.params import TEXT_PARAMS, as_model, validate, values_of
from triptych.learn.reduce import ReducedBlock
from triptych.learn.splits import assign, folds_of
from triptych.learn.table import LeakError, Part, write_predictions
from triptych.learn.tasks import Labels, as_task, read_labels
from triptych.learn.text import TextBlock, TextRows, join_fields, read_transcripts

VERSION = "2"
logger = logging.getLogger("triptych")


@dataclass
class Problem:
    """A model and the rows it may read: the labelled videos first, then the unlabelled ones.

    Attributes:
        model: the model's section of the study file.
        data: the labelled videos.
        blocks: its inputs over all rows; none for baselines.
        size: number of rows.
        multi: several labels a video.
        threads: threads that a fit may use.
        balanced: what balancing did, a mapping a fit.
        notes: what was odd, for the log.
        fits: makes the fits of networks, and keeps them.
    """

    model: Model
    data: Labels
    blocks: Sequence[Block]
    size: int
    multi: bool
    threads: int = 1
    balanced: list[dict] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    fits: Fits = field(default_factory=Fits)

    def __post_init__(self) -> None:
        self.targets, self.groups = self.data.targets, np.array(self.data.groups, dtype=object)
        self.covered = covered(self.blocks) if self.blocks else np.ones(self.size, dtype=bool)

    def fit_predict(self, train: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, dict | None]:
        """Learn from the rows `train`, predict the rows `test`.

        Rows without any input that the training rows have too, and all rows when these teach nothing, get the training
        prior.

        Returns:
            Probabilities (n, K), covered (n,), and the label distribution before and after balancing.

        Raises:
            LeakError: a row or a group is on both sides.
        """
        refuse_leaks(self.data, train, test)
        prior = heads.prior(self.targets[train])
        out, seen = np.tile(prior, (len(test), 1)), self._seen(train, test)
        learn = np.flatnonzero(self.covered[train])
        matrices = (np.zeros((len(train), 0)), out[:, :0])
        for block in self.blocks:
            if isinstance(block, ReducedBlock):
                block.seed = seed
        if self.blocks and not self.model.network:
            matrices = assemble(self.blocks, train, test)
        usable = self.targets[train][learn].any(axis=0).sum() >= (1 if self.multi else 2)
        if matrices is None or (self.blocks and not usable):
            self.notes.add("a training fold has nothing to learn from: its test videos get the training prior")
            return out, np.zeros(len(test), dtype=bool), None
        chosen, done = self._balance(learn, self.targets[train][learn], seed)
        if self.model.network:
            whole = len(train) == len(self.data.videos)
            rows = test[seen]
            out[seen] = np.clip(self.fits.fit_predict(self, train[chosen], rows, seed, whole=whole), 0.0, 1.0)
            return out, seen, done
        x, groups = matrices[0][chosen], self.groups[train][chosen].tolist()
        head = heads.make(
            self.model.head,
            self.model.params,
            multi=self.multi,
            inner=self.model.inner,
            seed=seed,
            threads=self.threads,
            class_weight=self.model.balance == "class_weight",
        )
        head.fit(x, self.targets[train][chosen], groups)
        rows = np.flatnonzero(seen)
        if len(rows):
            out[rows] = np.clip(head.predict_proba(matrices[1][rows]), 0.0, 1.0)
        return out, seen, done

    def _seen(self, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Which test rows (n,) have an input that any training row has too: of another one nothing was learned."""
        known = [block for block in self.blocks if block.present[train].any()]
        return covered(known)[test] if known else np.full(len(test), not self.blocks)

    def _balance(self, learn: np.ndarray, targets: np.ndarray, seed: int) -> tuple[np.ndarray, dict | None]:
        """Rows of the training fold to learn from (with repetition), and the distributions."""
        kind, classes = self.model.balance, self.data.classes
        if kind == "none":
            return learn, None
        before = balancing.counted(targets, classes)
        if kind == "class_weight":
            after = balancing.counted(targets, classes, balancing.class_weights(targets))
            return learn, {"before": before, "after": after}
        chosen = balancing.resample(targets, seed)
        return learn[chosen], {"before": before, "after": balancing.counted(targets[chosen], classes)}


def refuse_leaks(data: Labels, train: np.ndarray, test: np.ndarray) -> None:
    """Stop when a video, or a group of labelled videos, is on both sides, or a training video is unlabelled.

    Raises:
        LeakError: naming them.
    """
    if len(np.unique(train)) != len(train) or len(np.unique(test)) != len(test):
        raise LeakError("a video occurs twice among the training or the test videos")
    if len(train) and train.max() >= len(data.videos):
        raise LeakError("an unlabelled video is among the training videos")
    labelled = test[test < len(data.videos)]
    both = np.intersect1d(train, labelled)
    if len(both):
        raise LeakError(f"videos on both sides of a split: {[data.videos[row] for row in both[:5]]}")
    shared = {data.groups[row] for row in train} & {data.groups[row] for row in labelled}
    if shared:
        raise LeakError(f"groups on both sides of a split: {sorted(shared)[:5]}")


def run_model(
    name: str,
    model: Model | Mapping[str, Any],
    task: Task | Mapping[str, Any],
    *,
    labels: Path | str,
    splits: Path | str,
    out: Path | str,
    features: Mapping[str, Path | str] | None = None,
    transcripts: Mapping[str, Iterable[Path | str]] | None = None,
    fields: Mapping[str, Mapping[str, str]] | None = None,
    members: Mapping[str, Path | str] | None = None,
    selection: Path | str | None = None,
    inner: int = 0,
    balance: Path | str | None = None,
    threads: int = 1,
    refused: Path | str | None = None,
    device: str = "cpu",
    checkpoint: Path | str | None = None,
    task_name: str = "",
) -> dict[str, Any]:
    """Fit one model for one task and write its predictions.

    Args:
        name: the model's name, for messages and titles.
        model: its section of the study file.
        task: the task's section.
        labels: labels.parquet.
        splits: the split file.
        out: where the predictions go.
        features: feature -> its HDF5 file, for the model's `inputs`.
        transcripts: text field -> transcript files, for `transcript` and sources of transcripts.
        fields: column of the table -> slug -> text, for other text fields.
        members: member -> its predictions file, for a late fusion or a choice.
        selection: what a choice took, as `select.select_model` wrote it.
        inner: inner folds for which it must also predict, because a stack reads it (`Study.inner_folds`); 0 for none.
        balance: where the label distribution before and after balancing goes: a picture (`.svg`) or numbers (`.json`).
        threads: threads of this job.
        refused: refused.json of the task: near-duplicates that count as unlabelled, and groups that they tie.
        device: `cpu` or `cuda:0`, for fine-tuned networks.
        checkpoint: folder for a fine-tuned network that is fitted on all labelled videos.
        task_name: the task's name, for what is written beside the checkpoint.

    Returns:
        Facts for the log: fits, videos, balanced (a mapping a fold), notes.

    Raises:
        ValueError: faulty parameters, other labels or splits than the inputs were made with, a rule of decisions that
            does not fit the task.
        LeakError: a leak.
    """
    from threadpoolctl import threadpool_limits

    model, task = as_model(model), as_task(task)
    faults = validate(model, name)
    if faults:
        raise ValueError("\n".join(faults))
    everything = read_labels(labels, refused, together=True)
    data, unlabelled = everything.labelled(), everything.unlabelled()
    folds = folds_of(splits, data, task)
    decide.refuse(model, task.multi_label, len(data.classes))
    inner = max(inner, model.inner) if model.decide.chosen else inner
    number = networks.number(model, folds, inner, len(unlabelled), checkpoint is not None)
    kept = Path(checkpoint) if checkpoint is not None else None
    fits = Fits(Path(out) if model.network else None, device, VERSION, kept, task_name, task.seed, number)
    notes: list[str]
    with threadpool_limits(limits=threads), fits.collected():
        if model.select:
            if selection is None:
                raise ValueError(f"model {name!r} is a choice; give its selection")
            parts = select.chosen_parts(model, data, folds, unlabelled, members or {}, selection, task.seed)
            balanced, notes = [], []
        elif model.fusion == "late":
            parts, balanced = fusion.fuse(model, data, folds, unlabelled, members or {}, task.multi_label, task.seed)
            notes = []
        else:
            videos = data.videos + unlabelled
            given = features or {}, transcripts or {}, fields or {}
            blocks = blocks_of(model, videos, *given, data, task.seed, threads)
            problem = Problem(model, data, blocks, len(videos), task.multi_label, threads, fits=fits)
            parts = _cross_fit(problem, folds, unlabelled, task, inner)
            balanced, notes = problem.balanced, sorted(problem.notes)
        write_predictions(out, parts, data.classes, task.multi_label)
    if balance is not None:
        _write_balance(balance, name, data, balanced)
    for note in notes:
        logger.warning("model %s: %s", name, note)
    return {"model": name, "fits": len(parts), "videos": len(data.videos), "balanced": balanced, "notes": notes}


def blocks_of(
    model: Model, videos, features, transcripts, fields, data: Labels | None = None, seed: int = 0, threads: int = 1
) -> list[Block]:
    """The inputs of a model over `videos`: the labelled ones of `data`, then the others."""
    blocks = [_block(name, features[name], videos) for name in model.inputs]
    if model.reduce is not None:
        blocks = [ReducedBlock(block, model.reduce, data.targets, data.groups, seed, threads) for block in blocks]
    if model.text:
        texts = dict(fields)
        texts |= {field: read_transcripts(paths) for field, paths in transcripts.items()}
        documents = join_fields(videos, model.text, texts)
        if model.head == "finetune":
            blocks.append(TextRows(documents))
        else:
            blocks.append(TextBlock(documents, model.vectorizer, values_of(TEXT_PARAMS, model.params)))
    return blocks


def _block(name: str, path: Path | str, videos: Sequence[str]) -> Block:
    """A feature over `videos`, whatever the order of its file."""
    from triptych.encoders.pooling import SequenceFeature, read_feature, read_sequences

    starts = None
    try:
        ids, values, mask = read_feature(path)
    except SequenceFeature:
        ids, values, starts, mask = read_sequences(path)
    where = {video: row for row, video in enumerate(ids) if mask[row]}
    present = np.array([video in where for video in videos], dtype=bool)
    rows = np.array([where.get(video, 0) for video in videos], dtype=int)
    if starts is not None:
        return SequenceBlock(name, values, starts, present, videos, rows)
    taken = np.zeros((len(videos), values.shape[1]))
    taken[present] = values[rows[present]]
    return FeatureBlock(name, taken, present, videos)


def _cross_fit(problem: Problem, folds: np.ndarray, unlabelled: list[str], task: Task, inner: int) -> list[Part]:
    data, parts, runs = problem.data, [], seeds.count(problem.model)
    for repeat, of_row in enumerate(folds):
        for fold in np.unique(of_row).tolist():
            train, test = np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)
            videos = [data.videos[row] for row in test]
            for run in range(runs):
                seed = seeds.of(task.seed, repeat, run)
                p, seen, done = problem.fit_predict(train, test, seed)
                if done and not run:
                    problem.balanced.append({"repeat": repeat, "outer": fold, **done})
                tested, within = Part("test", fold, repeat, seed, videos, p, seen, problem.targets[test], run), None
                if inner:
                    # The runs share inner folds, so that they differ by their seeds alone.
                    within = _inner_part(problem, train, fold, repeat, (task.seed + repeat, seed), run, inner)
                parts += decide.decided(problem.model.decide, tested, within, problem.groups[train].tolist())
    everything = np.arange(len(data.videos))
    if not unlabelled and problem.fits.checkpoint:
        problem.fit_predict(everything, np.arange(0), task.seed)
    if unlabelled:
        rows = np.arange(len(data.videos), problem.size)
        fits = [problem.fit_predict(everything, rows, seeds.of(task.seed, 0, run))[:2] for run in range(runs)]
        p, seen = np.mean([p for p, _ in fits], axis=0), fits[0][1]
        new = Part("new", -1, 0, task.seed, unlabelled, p, seen, None)
        parts.append(decide.decided_new(problem.model.decide, new, parts))
    return parts


def _inner_part(
    problem: Problem, train: np.ndarray, fold: int, repeat: int, salts: tuple[int, int], run: int, inner: int
) -> Part:
    """Out-of-fold predictions of the training rows of a fold; the inner folds keep groups together.

    Args:
        problem: the model and its rows.
        train: training rows of the fold.
        fold: the outer fold.
        repeat: of the cross-validation.
        salts: salt of the inner folds, and the seed of the fits.
        run: number of the seed.
        inner: number of inner folds.
    """
    targets, groups, (salt, seed) = problem.targets[train], problem.groups[train].tolist(), salts
    found = assign(groups, targets, min(inner, len(set(groups))), f"inner {salt} {fold}")
    of_row = np.array([found[group] for group in groups])
    probability, seen = np.zeros(targets.shape), np.zeros(len(train), dtype=bool)
    for one in np.unique(of_row):
        rows = np.flatnonzero(of_row == one)
        probability[rows], seen[rows], _ = problem.fit_predict(train[of_row != one], train[rows], seed)
    videos = [problem.data.videos[row] for row in train]
    return Part("inner", fold, repeat, seed, videos, probability, seen, targets, run)


def _write_balance(path: Path | str, name: str, data: Labels, balanced: list[dict]) -> None:
    """The label distribution, also of a model that balances nothing: then before and after are the same."""
    rows = balanced
    if not rows:
        counts = balancing.counted(data.targets, data.classes)
        rows = [{"before": counts, "after": counts}]
    if Path(path).suffix == ".svg":
        balancing.draw(balancing.mean_of(rows, "before"), balancing.mean_of(rows, "after"), path, title=name)
    else:
        sealed.write_json(path, {"model": name, "classes": data.classes, "folds": balanced})
