"""Fine-tuned classifiers of text: a checkpoint of transformers with a new head, trained as a whole.

Method: J. Howard and S. Ruder, Universal Language Model Fine-tuning, ACL 2018, in the form of J. Devlin et al., BERT,
NAACL 2019: AdamW, a rate that rises and then falls in a line, few passes. Training is stopped by groups of the training
fold that are held out, and the state of the best pass is kept.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from triptych.core.config import Model
from triptych.encoders.base import EncoderError
from triptych.encoders.text_encoder import readable_tokens
from triptych.learn import heads
from triptych.learn.calibrate import probabilities
from triptych.learn.inputs import Block
from triptych.learn.networks import checkpoint, losses, training
from triptych.learn.networks.finetune_data import LENGTH, Tokens, Window, batch_of, tokens_of
from triptych.learn.params import TUNE_PARAMS, values_of

if TYPE_CHECKING:
    from torch import Tensor

#: Largest norm of a step's gradient.
CLIP = 1.0

_log = logging.getLogger("triptych.finetune")


class FineTuned:
    """The network (see `base.Network`).

    Attributes:
        identity: of the checkpoint's content, part of what determines a fit.
        epochs: passes that were made.
        best: passes after which the network was best, whose state it has.
        rows: training rows, each once; groups: their number.
        notes: what was odd, for the log.
        constant: share of each class in the training rows: what a class that they teach nothing of is given.
        columns: classes that there was something to learn of.
    """

    def __init__(
        self, model: Model, blocks: Sequence[Block], *, multi: bool, seed: int, threads: int, device: str = "cpu"
    ) -> None:
        (self.block,) = blocks
        self.params = values_of(TUNE_PARAMS, model.params)
        self.multi, self.seed, self.threads, self.device = multi, seed, threads, device
        self.weighted = model.balance == "class_weight"
        self.located = checkpoint.located(self.params)
        self.identity = self.located.identity
        self.batch = int(self.params["batch"])
        self.epochs = self.best = self.rows = self.groups = 0
        self.network: Any = None
        self.notes: set[str] = set()

    def fit(self, rows: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> FineTuned:
        """Learn what can be learned; see `base.Network`.

        Raises:
            CheckpointError: the checkpoint cannot be fine-tuned in this way.
            FloatingPointError: the loss is not finite.
        """
        share = heads.prior(targets)
        self.constant, self.rows, self.groups = share, len(np.unique(rows)), len(set(groups))
        self.columns = np.flatnonzero((share > 0) & ((share < 1) | (not self.multi)))
        if len(self.columns) < (1 if self.multi else 2):
            return self
        with training.reproducible(self.seed, self.threads, self.device):
            self._load()
            self._train(rows, targets[:, self.columns], groups)
        return self

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n, K): of a text in windows the mean of theirs."""
        out = np.tile(self.constant, (len(rows), 1))
        if self.network is None or not len(rows):
            return out
        windows, owner = self.tokens.spread(rows)
        with training.reproducible(self.seed, self.threads, self.device):
            values = probabilities(self._logits(windows), self.multi)
        sums, counts = np.zeros((len(rows), len(self.columns))), np.bincount(owner, minlength=len(rows))
        np.add.at(sums, owner, values)
        read = counts > 0
        out[np.ix_(read, self.columns)] = sums[read] / counts[read, None]
        return out

    def save(self, folder: Path, task: str, classes: Sequence[str]) -> None:
        """Write the fitted network as a checkpoint of transformers, in a new folder.

        A network that had nothing to learn from leaves only the file that says so.
        """
        learned = set(self.columns.tolist()) if self.network is not None else set()
        constant = {name: float(self.constant[k]) for k, name in enumerate(classes) if k not in learned}
        facts = {
            "task": task,
            "classes": list(classes),
            # Classes that no output stands for, and what is predicted for them.
            "constant": constant,
            "multi_label": self.multi,
            "videos": self.rows,
            "groups": self.groups,
            "epochs": self.epochs,
            "best_epoch": self.best,
            "seed": self.seed,
            "base": self.identity,
            "params": {key: value for key, value in self.params.items() if key not in ("model", "revision")},
        }
        folder.mkdir(parents=True)
        if self.network is None:
            checkpoint.replace_json(folder / checkpoint.FACTS, facts)
            return
        names = [classes[column] for column in self.columns]
        config = self.network.config
        config.id2label = dict(enumerate(names))
        config.label2id = {name: place for place, name in enumerate(names)}
        config.problem_type = "multi_label_classification" if self.multi else "single_label_classification"
        checkpoint.save(folder, self.network, self.located, self.length, facts | {"max_length": self.length})

    def _load(self) -> None:
        self.tokenizer = checkpoint.tokenizer_of(self.located)
        self.network = checkpoint.network_of(self.located, self.tokenizer, len(self.columns), self.seed)
        checkpoint.freeze(self.network, self.params["freeze"])
        self.network.to(self.device)
        self.length = self._length()
        self.tokens: Tokens = tokens_of(self.block, self.tokenizer, self.length, self.params, self.identity)

    def _length(self) -> int:
        """Tokens of a window, special ones among them."""
        wanted = self.params["max_length"]
        special = self.tokenizer.num_special_tokens_to_add(pair=False)
        try:
            readable = readable_tokens(self.network, self.tokenizer) + special
        except EncoderError:
            readable = wanted or LENGTH  # positions are relative: any length can be read
        if wanted and wanted > readable:
            raise checkpoint.CheckpointError(
                f"max_length: {self.located.model} reads {readable} tokens (given: {wanted})"
            )
        return wanted or min(LENGTH, readable)

    def _train(self, rows: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> None:
        import torch

        params = self.params
        parted = training.validation_rows(groups, targets, params["validation"], self.seed)
        learn, held = parted or (np.arange(len(rows)), np.arange(0))
        if parted is None and params["validation"]:
            few, passes = len(set(groups)), params["epochs"]
            self.notes.add(f"{few} groups are too few to hold some out: the network is trained for all {passes} passes")
        name = params["loss"]
        if name == "auto":
            name = (losses.MULTI if self.multi else losses.SINGLE)[0]
        weights = losses.term_weights(targets[learn], self.multi) if self.weighted else None
        self.loss = losses.make(name, params, weights)
        windows, owner = self.tokens.spread(rows[learn])
        stop_by, of_held = self.tokens.spread(rows[held])
        truth = torch.as_tensor(targets[learn][owner], dtype=torch.float32)
        held_truth = torch.as_tensor(targets[held][of_held], dtype=torch.float32)
        size = params["batch"] * params["accumulate"]
        total = params["epochs"] * math.ceil(len(windows) / size)
        steps = Steps(self, total)
        order = torch.Generator().manual_seed(self.seed)
        lowest, state = math.inf, None
        for epoch in range(1, params["epochs"] + 1):
            started = time.monotonic()
            self.network.train()
            summed = 0.0
            for part in training.batches(len(windows), size, order):
                summed += steps.take([windows[number] for number in part.tolist()], truth[part]) * len(part)
            if not math.isfinite(summed):
                raise FloatingPointError(f"the loss is not finite after {epoch} passes; lower `learning_rate`")
            self.epochs = epoch
            told = f"epoch {epoch} of {params['epochs']}: loss {summed / len(windows):.4f}"
            if not len(stop_by):
                self.best = epoch
                _log.info("%s, %.1f s", told, time.monotonic() - started)
                continue
            value = float(self.loss(torch.as_tensor(self._logits(stop_by)), held_truth.double()))
            _log.info("%s, validation loss %.4f, %.1f s", told, value, time.monotonic() - started)
            if value < lowest:
                lowest, self.best = value, epoch
                state = {key: tensor.detach().cpu().clone() for key, tensor in self.network.state_dict().items()}
            elif epoch - self.best >= params["patience"]:
                break
        if state is not None:
            self.network.load_state_dict(state)
        self.network.eval()

    def _logits(self, windows: Sequence[Window]) -> np.ndarray:
        """Logits (n, K) float64 of windows; long ones go first, so that little is padded."""
        import torch

        self.network.eval()
        order = sorted(range(len(windows)), key=lambda number: -len(windows[number]["input_ids"]))
        out = np.zeros((len(windows), len(self.columns)))
        at = 0
        while at < len(order):
            places = order[at : at + self.batch]
            fitted = False
            with contextlib.suppress(torch.OutOfMemoryError), torch.inference_mode(), self.autocast():
                found = self.network(**batch_of(self.tokenizer, [windows[one] for one in places], self.device))
                out[places] = found.logits.double().cpu().numpy()
                fitted = True
            if fitted:
                at += len(places)
            else:
                self.halve()
        return out

    def autocast(self) -> contextlib.AbstractContextManager:
        """The numbers of a card; on the CPU all is float32."""
        import torch

        kind = self.number()
        return contextlib.nullcontext() if kind is None else torch.autocast("cuda", dtype=kind)

    def number(self) -> Any:
        """What is computed in beside float32; None for nothing else."""
        import torch

        wanted = self.params["precision"]
        if self.device == "cpu" or wanted == "float32":
            return None
        if wanted == "auto":
            wanted = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        return getattr(torch, wanted)

    def halve(self) -> None:
        """Send half as many windows through the network at once, after the memory of its device was too small.

        Raises:
            CheckpointError: one alone does not fit.
        """
        import torch

        if self.batch == 1:
            raise checkpoint.CheckpointError(
                f"the memory of {self.device} is too small for one text of {self.length} tokens; lower `max_length`, "
                "or `freeze` layers"
            )
        self.batch = max(1, self.batch // 2)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _log.warning("out of memory: batches of %d texts from here on, steps stay as large", self.batch)


class Steps:
    """Steps of the optimiser of one fit.

    Args:
        tuned: the network and its parameters.
        total: number of steps of all passes.
    """

    def __init__(self, tuned: FineTuned, total: int) -> None:
        import torch

        self.tuned, self.total, self.done = tuned, total, 0
        self.weights = [weight for weight in tuned.network.parameters() if weight.requires_grad]
        # Biases and normalisations are the weights without two sides.
        decayed = [weight for weight in self.weights if weight.ndim >= 2]
        plain = [weight for weight in self.weights if weight.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": tuned.params["weight_decay"]}, {"params": plain, "weight_decay": 0.0}],
            lr=tuned.params["learning_rate"],
        )
        # Small gradients vanish in float16.
        self.scaler = torch.amp.GradScaler("cuda", enabled=tuned.number() == torch.float16)

    def take(self, windows: Sequence[Window], truth: Tensor) -> float:
        """One step on some windows, in as many batches as the device needs; their mean loss."""
        import torch

        value = None
        while value is None:
            self.optimizer.zero_grad(set_to_none=True)
            # What did not fit is freed with the exception, before the batch is halved.
            with contextlib.suppress(torch.OutOfMemoryError):
                value = self._backward(windows, truth)
            if value is None:
                self.tuned.halve()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.weights, CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = self.tuned.params["learning_rate"] * rate(self.done, self.total, self.tuned.params["warmup"])
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.done += 1
        return value

    def _backward(self, windows: Sequence[Window], truth: Tensor) -> float:
        tuned, total = self.tuned, 0.0
        for part in _parts(len(windows), tuned.batch):
            with tuned.autocast():
                found = tuned.network(**batch_of(tuned.tokenizer, windows[part], tuned.device))
            # The mean over the step, whatever batches it goes in.
            loss = tuned.loss(found.logits.float(), truth[part].to(tuned.device)) * (len(truth[part]) / len(truth))
            self.scaler.scale(loss).backward()
            total += float(loss.detach())
        return total


def _parts(count: int, size: int) -> Iterator[slice]:
    for at in range(0, count, size):
        yield slice(at, at + size)


def rate(step: int, total: int, warmup: float) -> float:
    """Share of the largest rate at a step: it rises in a line over the share `warmup` of all, then falls to 0."""
    rising = math.ceil(warmup * total)
    if step < rising:
        return (step + 1) / (rising + 1)
    return (total - step) / max(1, total - rising)
