"""The progress of a study day by day, from the times of its files: no process has to watch for it.

A file bears the time of its last writing. What is made again counts on the day when that was done, and the videos of a
shard's file count on the day when the shard was. A file from the future (a clock that is ahead) counts as of now.
"""

from __future__ import annotations

import datetime
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from triptych.commands.status import Stage
from triptych.commands.status_lines import columns, date

#: Seconds of a day, days that a rate looks back, and the least time that one is told from.
DAY, WINDOW, LEAST = 86400.0, 7, 3600.0


@dataclass(frozen=True)
class Day:
    """A stage at the end of a day (of today: now).

    Attributes:
        day: `2026-01-31`, of this place.
        stage: its name.
        done: videos that are ok or absent by then.
        failed: videos that failed or were refused by then.
        new: videos of which something was recorded that day.
        rate: videos a day of the last seven days.
        remaining: videos of which nothing was recorded by then.
        ends: when none will remain at this rate (seconds since the epoch); None when nothing is recorded any more, or
            nothing remains.
    """

    day: str
    stage: str
    done: int
    failed: int
    new: int
    rate: float
    remaining: int
    ends: float | None

    def as_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return asdict(self)


def days(stages: Iterable[Stage], now: float, most: int) -> list[Day]:
    """The last `most` days on which something was recorded, today among them, each with its stages."""
    stages = list(stages)
    told: dict[datetime.date, list[Day]] = {}
    for stage in stages:
        written, fails = (sorted(min(when, now) for when in times) for times in (stage.written, stage.fails))
        for day in _dates(written, now):
            told.setdefault(day, []).append(_day(stage, day, written, fails, now))
    return [one for day in sorted(told)[-most:] for one in told[day]]


def _dates(written: list[float], now: float) -> list[datetime.date]:
    """The days on which something was recorded, and today where something was before."""
    found, place = [], 0
    while place < len(written):
        day = datetime.date.fromtimestamp(written[place])
        found.append(day)
        place = bisect_left(written, _midnight(day + datetime.timedelta(1)), place + 1)
    today = datetime.date.fromtimestamp(now)
    return found if not found or found[-1] >= today else [*found, today]


def _day(stage: Stage, day: datetime.date, written: list[float], fails: list[float], now: float) -> Day:
    begins, end = _midnight(day), min(now, _midnight(day + datetime.timedelta(1)))
    upto = bisect_left(written, end) if end < now else len(written)
    failed = bisect_left(fails, end) if end < now else len(fails)
    # A stage that began within the window has its rate from then on.
    since = max(_midnight(day - datetime.timedelta(WINDOW - 1)), min(written[0], end - LEAST))
    rate = DAY * (upto - bisect_left(written, since)) / max(LEAST, end - since)
    remaining = stage.expected - upto
    ends = end + DAY * remaining / rate if rate and remaining > 0 else None
    new = upto - bisect_left(written, begins)
    return Day(day.isoformat(), stage.name, upto - failed, failed, new, rate, remaining, ends)


def _midnight(day: datetime.date) -> float:
    return datetime.datetime.combine(day, datetime.time.min).timestamp()  # of this place, whatever its clock does


def lines(found: list[Day]) -> Iterator[str]:
    """The days as a table, for the terminal."""
    table = [["day", "stage", "done", "failed", "new", "a day", "remaining", "ends"]]
    shown = None
    for one in found:
        table.append(
            [
                one.day if one.day != shown else "",
                one.stage,
                str(one.done),
                str(one.failed),
                str(one.new),
                f"{one.rate:.1f}" if one.rate < 100 else f"{one.rate:.0f}",
                str(one.remaining),
                date(one.ends) if one.ends else "-",
            ]
        )
        shown = one.day
    yield from columns(table, left=2)
