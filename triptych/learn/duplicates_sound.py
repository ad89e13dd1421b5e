"""Videos that sound the same, also when one begins later: prints are looked up, and vote for a shift.

A word of 32 bits rarely comes through coding unchanged, but its wrong bits lie close together. So it is looked up four
times, each time without another quarter of its bits. Where two such meetings tell of the same shift, the two sounds are
laid together at it and compared word by word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Bits of 32 in which words of the same sound differ at most; by chance one word of 300 comes that near.
BITS = 8
#: Words that must agree at the least: 0.64 s of sound that changes.
LEAST = 10
#: Meetings that must tell of one shift.
VOTES = 2
#: Words that are looked up; of more, those are taken whose own value says so, which are the same in a copy.
MOST = 4_000_000
#: How many of the next ones with equal bits a word meets: of many copies each is tied to its next ones.
RUN = 16


@dataclass(frozen=True)
class Sound:
    """Prints of a sound, one each 64 ms.

    Attributes:
        words: (T,) uint32.
        told: (T,) bool, False where it is silent or steady.
    """

    words: np.ndarray
    told: np.ndarray


def like_sounds(videos: Mapping[str, Sound], share: float) -> list[tuple[str, str, float]]:
    """Pairs of videos that sound the same, and the share of the shorter sound's words that agree.

    Args:
        videos: slug -> prints.
        share: least share.
    """
    names = sorted(name for name, one in videos.items() if one.told.sum() >= LEAST)
    best: dict[tuple[str, str], float] = {}
    for first, second, shift in _candidates([videos[name] for name in names]):
        pair = names[first], names[second]
        score = max(_agreement(videos[pair[0]], videos[pair[1]], shift + near) for near in (-1, 0, 1))
        if score >= max(share, best.get(pair, 0.0)):
            best[pair] = score
    return [(*pair, score) for pair, score in sorted(best.items())]


def _agreement(one: Sound, other: Sound, shift: int) -> float:
    """Share of the shorter sound's words that agree when `other` begins `shift` words after `one`."""
    start, end = max(0, shift), min(len(one.words), len(other.words) + shift)
    if end - start < LEAST:
        return 0.0
    words, told = one.words[start:end] ^ other.words[start - shift : end - shift], one.told[start:end]
    agree = int(((np.bitwise_count(words) <= BITS) & told & other.told[start - shift : end - shift]).sum())
    return agree / min(one.told.sum(), other.told.sum()) if agree >= LEAST else 0.0


def _candidates(sounds: list[Sound]) -> list[tuple[int, int, int]]:
    """First and second sound, and by how many words the second one's beginning lies after the first one's."""
    if not sounds:
        return []
    words = np.concatenate([one.words[one.told] for one in sounds])
    place = np.concatenate([np.flatnonzero(one.told) for one in sounds])
    owner = np.repeat(np.arange(len(sounds)), [int(one.told.sum()) for one in sounds])
    longest = max(len(one.words) for one in sounds) + 1
    votes = []
    for quarter in range(4):
        key = words & np.uint32(0xFFFFFFFF ^ (0xFF << 8 * quarter))
        few = np.flatnonzero(_mixed(key) % np.uint32(1 + len(words) // MOST) == 0)
        order = few[np.argsort(key[few], kind="stable")]
        key = key[order]
        for step in range(1, RUN + 1):
            met = np.flatnonzero(key[step:] == key[:-step])
            if not len(met):
                break
            one, other = order[met], order[met + step]
            apart = owner[one] != owner[other]
            one, other = one[apart], other[apart]
            shift = place[one] - place[other] + longest
            votes.append((owner[one] * len(sounds) + owner[other]) * (2 * longest + 2) + shift)
    if not votes:
        return []
    told, count = np.unique(np.concatenate(votes), return_counts=True)
    # A shift that lies between two frames is told by both.
    beside = np.zeros(len(told), int)
    beside[:-1] = np.where(np.diff(told) == 1, count[1:], 0)
    pairs, shift = np.divmod(told[count + beside >= VOTES], 2 * longest + 2)
    first, second = np.divmod(pairs, len(sounds))
    return list(zip(first.tolist(), second.tolist(), (shift - longest).tolist(), strict=True))


def _mixed(key: np.ndarray) -> np.ndarray:
    """The bits of words, stirred: whether a word is taken must not depend on its pitch."""
    key = key * np.uint32(0x9E3779B1)
    return key ^ (key >> np.uint32(15))
