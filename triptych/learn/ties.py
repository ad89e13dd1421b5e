"""What near-duplicates mean for the split of a task: groups that they tie share a fold, or a video is left out.

Groups of labelled videos that a pair ties are assigned to one fold together. Nothing that the split file holds ever
moves: when a pair ties groups that lie in different folds already, the newer of its videos is refused for the task
(the one that the split file does not hold; of two old or two new ones the later row of the table).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.core import sealed
from triptych.core.files import replace_text
from triptych.evaluate.guard import formula_safe
from triptych.learn.labels import Labels
from triptych.learn.pairs import Pair

HEADER = (
    *("video", "other", "by", "score", "group", "other_group", "labels", "other_labels"),
    *("contradiction", "outcome"),
)


@dataclass(frozen=True)
class Tie:
    """Two labelled videos that are the same or nearly.

    Attributes:
        video: slug, the smaller of the two.
        other: slug.
        by: all ways in which they were found, the best first.
        score: of the best.
    """

    video: str
    other: str
    by: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Settled:
    """What pairs mean for a task.

    Attributes:
        ties: the pairs of labelled videos, in order.
        roots: group -> the group that stands for all that are tied to it; groups without ties are not named.
        refused: video -> the tie for which it is left out.
    """

    ties: list[Tie] = field(default_factory=list)
    roots: dict[str, str] = field(default_factory=dict)
    refused: dict[str, Tie] = field(default_factory=dict)

    def root(self, group: str) -> str:
        """The group that stands for `group`."""
        return self.roots.get(group, group)


def settle(
    pairs: Iterable[Pair], data: Labels, folds: Mapping[str, Mapping[int, int]], known: Iterable[str]
) -> Settled:
    """Decide what near-duplicates mean for a task.

    Args:
        pairs: of the study.
        data: the labelled videos of the task.
        folds: group -> repeat -> fold, of groups that have one already.
        known: videos that the split file holds.
    """
    held = set(known)
    group_of = dict(zip(data.videos, data.groups, strict=True))
    line_of = dict(zip(data.videos, data.lines, strict=True))
    ties = _joined(pairs, group_of)
    # Between groups whose folds stand nothing can be tied any more; what is new comes after them.
    ties.sort(key=lambda tie: sum(group_of[one] not in folds for one in (tie.video, tie.other)))
    parent: dict[str, str] = {}
    stands = {group: dict(own) for group, own in folds.items()}

    def find(group: str) -> str:
        while parent.get(group, group) != group:
            group = parent[group]
        return group

    refused: dict[str, Tie] = {}
    for tie in ties:
        one, other = find(group_of[tie.video]), find(group_of[tie.other])
        if one == other or {tie.video, tie.other} & set(refused):
            continue
        first, second = stands.get(one, {}), stands.get(other, {})
        if any(first[repeat] != second[repeat] for repeat in first.keys() & second.keys()):
            newer = max((tie.video, tie.other), key=lambda video: (video not in held, line_of[video] or 0, video))
            refused[newer] = tie
            continue
        root, joined = sorted((one, other))
        parent[joined] = root
        stands[root] = {**first, **second}
    roots = {group: find(group) for group in {*parent, *parent.values()}}
    return Settled(sorted(ties, key=lambda tie: (tie.video, tie.other)), roots, refused)


def _joined(pairs: Iterable[Pair], group_of: Mapping[str, str | None]) -> list[Tie]:
    """Pairs of labelled videos, each once, sorted."""
    found: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        if pair.video in group_of and pair.other in group_of:
            found.setdefault((pair.video, pair.other), []).append(pair)
    ties = []
    for (video, other), ways in sorted(found.items()):
        ways.sort(key=lambda pair: (-pair.score, pair.by))
        ties.append(Tie(video, other, tuple(pair.by for pair in ways), ways[0].score))
    return ties


def notes(settled: Settled, data: Labels) -> list[str]:
    """What a user should know of near-duplicates: refusals, and labels that contradict one another."""
    found = []
    for video, tie in sorted(settled.refused.items()):
        twin = tie.other if video == tie.video else tie.video
        found.append(
            f"{video} is left out (refused: duplicate_of:{twin}, found by {'+'.join(tie.by)}, {tie.score:.2f}): they "
            "lie in different folds, and nothing moves"
        )
    labels = dict(zip(data.videos, data.labels, strict=True))
    odd = [tie for tie in settled.ties if labels[tie.video] != labels[tie.other]]
    if odd:
        told = "; ".join(
            f"{tie.video} {';'.join(labels[tie.video])!r}, {tie.other} {';'.join(labels[tie.other])!r}"
            for tie in odd[:5]
        )
        found.append(
            f"{len(odd)} pair{'s' * (len(odd) != 1)} of near-duplicates with different labels ({told}): correct them"
        )
    return found


def write_refused(path: Path | str, settled: Settled) -> None:
    """Write `refused.json`.

    `refused`: video -> the one that it is a near-duplicate of, by what, and how near; `tied`: group -> the group that
    stands for all that are tied to it.
    """
    told: dict[str, Any] = {}
    for video, tie in settled.refused.items():
        twin = tie.other if video == tie.video else tie.video
        told[video] = {"duplicate_of": twin, "by": "+".join(tie.by), "score": tie.score}
    sealed.write_json(
        path, {"refused": told, "tied": {one: root for one, root in settled.roots.items() if one != root}}
    )


def write_table(path: Path | str, settled: Settled, data: Labels) -> None:
    """Write the near-duplicates of a task: groups, labels, and what became of each pair."""
    group_of = dict(zip(data.videos, data.groups, strict=True))
    labels = dict(zip(data.videos, data.labels, strict=True))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for tie in settled.ties:
        one, other = tie.video, tie.other
        gone = [video for video in (one, other) if video in settled.refused]
        same = group_of[one] == group_of[other]
        outcome = f"refused {'+'.join(gone)}" if gone else "same group" if same else "same fold"
        texts = (group_of[one], group_of[other], ";".join(labels[one]), ";".join(labels[other]))
        writer.writerow(
            [
                *(one, other, "+".join(tie.by), f"{tie.score:.4f}"),
                *(formula_safe(text) for text in texts),
                "yes" if labels[one] != labels[other] else "",
                outcome,
            ]
        )
    replace_text(path, out.getvalue())
