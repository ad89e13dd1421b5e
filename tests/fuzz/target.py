"""Targets of fuzzing: what hypothesis feeds them, how many examples, and how each example is watched."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.watch import watched
from hypothesis import given, settings

from triptych.core.status import Refused
from triptych.media import sandbox

#: Examples of each target so far, in this process.
EXAMPLES: Counter[str] = Counter()
#: How examples in child processes ended (`crashed`, `timeout`), by target.
ENDED: Counter[str] = Counter()
#: Examples a target of a long run; unset: the short run that is part of the tests.
WANTED = os.environ.get("FUZZ_EXAMPLES")
QUICK = 100


def target(folder: str = "folder", share: float = 1.0, **strategies: Any) -> Callable:
    """A test that hypothesis calls with examples, each counted and watched.

    Args:
        folder: the fixture that is the only folder which the example may write to.
        share: of the short run's examples, for targets that are slower or faster than the others. A long run takes
            fewer than `FUZZ_EXAMPLES` of the slowest alone.
        strategies: of the arguments.
    """

    def wrap(function: Callable) -> Callable:
        @functools.wraps(function)
        def example(*arguments: Any, **named: Any) -> None:
            EXAMPLES[function.__name__] += 1
            with watched(named[folder]):
                function(*arguments, **named)

        wanted = int(WANTED) if WANTED else QUICK
        most = max(5, round(wanted * (min(1.0, 2 * share) if WANTED else share)))
        profile = settings.get_profile("fuzz-long" if WANTED else "fuzz")
        return settings(profile, max_examples=most)(given(**strategies)(example))

    return wrap


def told(error: BaseException, *words: object) -> None:
    """Check the message of an error: it names what is wrong where, for people."""
    text = str(error)
    assert text.strip() and "Traceback" not in text, repr(error)
    missing = [str(word) for word in words if str(word) not in text]
    assert not missing, f"{missing} not in {text!r}"
    assert len(text) < 20_000, f"a message of {len(text)} characters"


def tried(allowed: type[BaseException] | tuple, words: tuple, function: Callable, *arguments: Any, **named: Any) -> Any:
    """What a function returns, or None when it ends with an error of the allowed kinds whose message holds `words`."""
    try:
        return function(*arguments, **named)
    except allowed as error:
        told(error, *words)
        return None


def in_child(function: Callable, folder: Path, *arguments: Any, seconds: float = 20.0, memory_mb: int = 1500) -> str:
    """How a watched function ended in a child process: `ok`, or `crashed`, `timeout`, `out_of_memory`.

    Its exceptions are failures; libraries in C may end the child, which is an answer here and never the end of the run.
    """

    def guarded() -> sandbox.Answer:
        with watched(folder):
            function(*arguments)
        return sandbox.Answer({}, {}, {"none": np.zeros(0)})

    try:
        sandbox.run(guarded, memory_mb=memory_mb, wall_seconds=seconds)
    except Refused as refused:
        return str(refused.outcome.reason)
    return "ok"
