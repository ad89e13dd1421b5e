"""What happened to a video at a stage: ok, absent, failed or refused, with a reason, a message and warnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from triptych.core.files import read_json, replace_json

State = Literal["ok", "absent", "failed", "refused"]
STATES: tuple[State, ...] = ("ok", "absent", "failed", "refused")


@dataclass(frozen=True)
class Outcome:
    """How one video ended at one stage.

    Attributes:
        status: `ok` (usable), `absent` (there is no such thing, e.g. no audio track), `failed` (broken or
            unreachable) or `refused` (over a limit, not allowed).
        reason: short code in snake_case (`no_audio`, `unreadable`, `http_404`); None when ok.
        message: one sentence for the user: what is wrong and what to do.
        warnings: codes to messages of what is wrong with a usable video (`truncated`, `corrupt_packets`).
        transient: a failure that another attempt may mend (network, 429, 5xx).
    """

    status: State
    reason: str | None = None
    message: str | None = None
    warnings: dict[str, str] = field(default_factory=dict)
    transient: bool = False

    def __post_init__(self) -> None:
        if self.status not in STATES:
            raise ValueError(f"unknown status {self.status!r}; one of {', '.join(STATES)}")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"a video that is {self.status} needs a reason")

    @property
    def ok(self) -> bool:
        """Whether the video can be used downstream."""
        return self.status == "ok"

    def as_dict(self) -> dict[str, Any]:
        """A JSON-able form, read back by `Outcome.from_dict`."""
        return {
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "warnings": dict(sorted(self.warnings.items())),
            "transient": self.transient,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Outcome:
        """The inverse of `as_dict`; other keys are ignored."""
        return cls(
            status=data["status"],
            reason=data.get("reason"),
            message=data.get("message"),
            warnings=dict(data.get("warnings") or {}),
            transient=bool(data.get("transient", False)),
        )


OK = Outcome("ok")


class Refused(Exception):
    """Raised inside a stage to end this video there with an `Outcome`; never a failed job."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.status}: {outcome.reason}: {outcome.message}")
        self.outcome = outcome


def stop(status: State, reason: str, message: str, *, transient: bool = False) -> Refused:
    """The exception that ends a video at this stage, to be raised with a reason code and a sentence for the user."""
    return Refused(Outcome(status, reason, message, transient=transient))


@dataclass(frozen=True)
class Manifest:
    """The declared output of a media stage for one video, a JSON file.

    Attributes:
        video: slug.
        stage: `fetch`, `probe`, `audio` or `keyframes`.
        outcome: how it ended.
        key: digest of all that determined the result (input digest, parameters, stage version).
        artefacts: name -> {"path" (relative to the manifest's folder), "sha256", "bytes"}.
        data: what the stage found (streams, duration, times...); no clock, host or duration of the job.
    """

    video: str
    stage: str
    outcome: Outcome
    key: str = ""
    artefacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path | str) -> None:
        """Write the manifest whole (after its artefacts, so that what it names exists)."""
        replace_json(
            path,
            {
                "video": self.video,
                "stage": self.stage,
                **self.outcome.as_dict(),
                "key": self.key,
                "artefacts": self.artefacts,
                "data": self.data,
            },
        )

    @classmethod
    def read(cls, path: Path | str) -> Manifest:
        """Read a manifest.

        Raises:
            ValueError: naming the file, when it is damaged.
        """
        try:
            raw = read_json(path)
            return cls(
                video=raw["video"],
                stage=raw["stage"],
                outcome=Outcome.from_dict(raw),
                key=raw.get("key", ""),
                artefacts=raw.get("artefacts", {}),
                data=raw.get("data", {}),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error}); delete it and run again") from error


def write_shard(path: Path | str, stage: str, shard: str, digests: dict[str, str]) -> None:
    """Write the manifest of a shard at a media stage: its videos, and the digests of their own manifests."""
    replace_json(path, {"stage": stage, "shard": shard, "videos": digests})
