"""What happened to a video at a stage: ok, absent, failed or refused, with a reason, a message and warnings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from triptych.core import sealed
from triptych.core.files import DamagedFile

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
        """The inverse of `as_dict`; other keys are ignored.

        Raises:
            KeyError, TypeError, ValueError: the mapping holds no outcome.
        """
        warnings = data.get("warnings") or {}
        texts = [one for one in (data.get("reason"), data.get("message")) if one is not None]
        if not isinstance(warnings, dict) or not all(isinstance(one, str) for one in (*texts, *warnings.values())):
            raise TypeError("its reason, message and warnings are no text")
        return cls(
            status=data["status"],
            reason=data.get("reason"),
            message=data.get("message"),
            warnings=dict(warnings),
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


class Told(dict):
    """What a file tells by name; a name that it lacks is damage of that file."""

    def __init__(self, path: Path | str, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.path = path

    def __missing__(self, name: str) -> Any:
        raise DamagedFile(self.path, f"it lacks {name!r}")


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
        sealed.write_json(
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
            DamagedFile: naming the file.
        """
        raw = sealed.read_json(path)
        try:
            told = Told(path, raw)
            texts = (told["video"], told["stage"], told.get("key", ""))
            artefacts, data = told.get("artefacts", {}), told.get("data", {})
            if not all(isinstance(one, str) for one in texts) or not isinstance(data, dict):
                raise TypeError("what it tells is of another kind")
            for one in artefacts.values():
                if not (isinstance(one["path"], str) and isinstance(one["sha256"], str) and one["bytes"] >= 0):
                    raise TypeError("its artefacts are none")
            return cls(texts[0], texts[1], Outcome.from_dict(told), texts[2], Told(path, artefacts), Told(path, data))
        except DamagedFile:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedFile(path, error) from error


def write_shard(path: Path | str, stage: str, shard: str, digests: dict[str, str]) -> None:
    """Write the manifest of a shard at a media stage: its videos, and the digests of their own manifests."""
    sealed.write_json(path, {"stage": stage, "shard": shard, "videos": digests})
