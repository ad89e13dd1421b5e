"""Batches through the network: in the numbers that the device likes, halved when its memory is too small."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from triptych.core.status import Outcome
from triptych.encoders.base import Encoded, Encoder, EncoderError

#: Reason of a video that does not fit into the device's memory alone; it is tried again whenever its job runs.
OUT_OF_MEMORY = "out_of_memory"

_log = logging.getLogger("triptych.embed")


class Runner:
    """Encodes batches of an encoder that is loaded.

    A batch that does not fit into memory is halved until it fits, and the size that worked is kept. An item that does
    not fit alone is data, like any video that is too large, so it is that video's outcome and the job goes on; but
    when nothing fits at all, it is the device that is too small or taken (`check`).

    Attributes:
        most: items that go through the network at once.
        fitted: items that were encoded.
        too_large: videos that did not fit alone.
    """

    def __init__(self, model: Encoder, most: int, device: str = "cpu", precision: str = "auto") -> None:
        self.model = model
        self.device = device
        self.precision = precision
        self.most = most
        self.fitted = 0
        self.too_large: list[str] = []
        self._told = most
        self._why = ""

    def encode(self, items: Sequence[Any]) -> dict[str, Encoded]:
        """Results by video; `Outcome`s among the items are left out.

        Raises:
            EncoderError: the encoder gave another number of results.
        """
        todo = [item for item in items if not isinstance(item, Outcome)]
        results: dict[str, Encoded] = {}
        before = self.most
        while todo:
            part = todo[: self.most]
            found = self._try(part)
            if found is not None:
                results |= {item.video: one for item, one in zip(part, found, strict=True)}
                self.fitted += len(part)
                self._tell()
            elif len(part) > 1:
                self.most = len(part) // 2
                continue
            else:
                self.too_large.append(part[0].video)
                results[part[0].video] = Encoded(outcome=self._outcome())
                self.most = before  # this one was too large, not the number of them
            todo = todo[len(part) :]
        return results

    def check(self) -> None:
        """Stop a job in which no video fitted: that is no fact about the videos.

        Raises:
            EncoderError: with what to do.
        """
        if len(self.too_large) > 1 and not self.fitted:
            raise EncoderError(
                f"{self.model.card.name}: none of {len(self.too_large)} videos fits into the memory of {self.device} "
                f"({self._why}); another program may hold it, or the device is too small: free it, take a smaller "
                "model, or set gpus: 0, and run again"
            )

    def _try(self, part: Sequence[Any]) -> list[Encoded] | None:
        """Results, or None when memory was too small; what the failed attempt held is free again by then."""
        try:
            with computing(self.device, self.precision):
                results = self.model.encode(part)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._why = (str(error).strip() or type(error).__name__).splitlines()[0]
            results = None
        if results is None:  # the exception, whose frames hold tensors, ended with its block
            free_memory()
            return None
        if len(results) != len(part):
            raise EncoderError(f"{self.model.card.name} gave {len(results)} results for {len(part)} items")
        return list(results)

    def _tell(self) -> None:
        if self.most < self._told:
            _log.warning(
                "%s: batches of %d do not fit into the memory of %s, batches of %d do and are kept; set `batch: %d` in "
                "the study file to begin with them",
                *(self.model.card.name, self._told, self.device, self.most, self.most),
            )
            self._told = self.most

    def _outcome(self) -> Outcome:
        message = (
            f"this video alone does not fit into the memory of {self.device} ({self._why}); with more memory, or with "
            "gpus: 0, run it again by: snakemake --forcerun embed_shard"
        )
        return Outcome("failed", OUT_OF_MEMORY, message)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory of the device or of the machine is too small."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, MemoryError) or names & {"OutOfMemoryError", "ResourceExhaustedError"}:
        return True
    text = str(error).lower()
    told = ("out of memory", "can't allocate memory", "cublas_status_alloc_failed", "cudnn_status_alloc_failed")
    return isinstance(error, RuntimeError) and any(words in text for words in told)


def free_memory() -> None:
    """Give what a failed attempt left back to the device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def numbers(device: str, precision: str) -> str:
    """The numbers that a network computes with: `float32` on the CPU, always.

    Args:
        device: `cpu` or `cuda:N`.
        precision: of the study file; `auto` is bfloat16 on cards that compute with it, else float16.
    """
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda"):
        return "float32"
    if precision != "auto":
        return precision
    # Cards before Ampere only imitate bfloat16, slowly.
    return "bfloat16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float16"


@contextlib.contextmanager
def computing(device: str, precision: str) -> Iterator[None]:
    """Without gradients, and on a card in half precision by autocast; nothing where torch is not used."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    wanted = numbers(device, precision)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if wanted != "float32":
            stack.enter_context(torch.autocast("cuda", dtype=getattr(torch, wanted)))
        yield
