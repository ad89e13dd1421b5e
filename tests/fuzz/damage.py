"""Strategies: real files that were changed by a disk, a spreadsheet or a stranger, and words that are no words."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

#: Stretches that break readers: marks of encodings, quotes, numbers out of range, depth, paths, formulas, escapes.
SPLICES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc3\x28",
    b'"',
    b",",
    b";",
    b"\r",
    b"\n",
    b"\n\n",
    b"\t",
    "\u2028\u0085".encode(),
    b"\\ud800",
    b"{}",
    b"[]",
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-1",
    b"9" * 5000,
    b"[" * 5000,
    b'{"a":' * 2000,
    b"../../../etc/passwd",
    b"/dev/zero",
    b"=cmd()",
    b"\x1b[2J",
    b"$(touch CANARY)",
    b"&a [*a, *a]",
    b"!!python/object/apply:os.system ['touch CANARY']",
    b"-->",
    b"<" * 500,
    b"\xff" * 8,
    b"\x00" * 64,
    b"\x7f\xff\xff\xff",
)

#: Words of a table, of a title or of a query: any Unicode, control characters, directions, shells, half of a pair.
words = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.sampled_from(
        [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "$(touch CANARY)",
            "`touch CANARY`",
            "--exec=touch CANARY",
            "=1+1",
            "@x",
            "-1",
            "{video}",
            "NaN",
            "NA",
            "ß",
        ]
    ),
    st.sampled_from([" ", "\0", "\ud800", "a\u202eb", "\x1b[2J", "a\nb", "x" * 300, "\ufeff", "\u2028"]),
)
#: Any JSON, also what only Python's reader takes for it, and numbers that no machine word holds.
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.integers(),
        st.sampled_from([10**30, -(2**63), 2**64, 1e308]),
        st.floats(),
        words,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def damaged(draw, *files: bytes, most: int = 5) -> bytes:
    """One of the files with some places changed: flipped, cut, doubled, exchanged, overwritten, added to."""
    data = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, max(0, min(200, len(data) - at))))
        kind = draw(st.sampled_from(["flip", "cut", "drop", "double", "splice", "over", "bytes", "move"]))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "splice":
            data[at:at] = draw(st.sampled_from(SPLICES))
        elif kind == "over":
            piece = draw(st.sampled_from(SPLICES))
            data[at : at + len(piece)] = piece
        elif kind == "bytes":
            data[at : at + length] = draw(st.binary(max_size=20))
        elif kind == "move":
            piece = data[at : at + length]
            del data[at : at + length]
            to = draw(st.integers(0, len(data)))
            data[to:to] = piece
    return bytes(data)


@st.composite
def edited(draw, *documents: Any, most: int = 3) -> Any:
    """One of the documents (JSON) with some values exchanged, keys taken away or added."""
    root = [copy.deepcopy(draw(st.sampled_from(documents)))]
    for _ in range(draw(st.integers(1, most))):
        place: Any = root
        key: Any = 0
        while isinstance(place[key], (dict, list)) and place[key] and draw(st.integers(0, 3)):
            place = place[key]
            key = (
                draw(st.sampled_from(sorted(place, key=str)))
                if isinstance(place, dict)
                else draw(st.integers(0, len(place) - 1))
            )
        kind = draw(st.sampled_from(["value", "value", "value", "drop", "add"]))
        if kind == "drop" and place is not root:
            del place[key]
        elif kind == "add" and isinstance(place[key], dict):
            place[key][draw(words)] = draw(values)
        elif kind == "add" and isinstance(place[key], list):
            place[key].append(draw(values))
        else:
            place[key] = draw(values)
    return root[0]


@st.composite
def json_files(draw, *documents: Any) -> bytes:
    """Files of one of the documents: edited as JSON, or damaged as bytes."""
    if draw(st.booleans()):
        return draw(damaged(*(json.dumps(one).encode() for one in documents)))
    return json.dumps(draw(edited(*documents))).encode()


@st.composite
def json_lines(draw, *documents: Any) -> bytes:
    """Files of a document a line, damaged either way."""
    if draw(st.booleans()):
        return draw(damaged(b"".join(json.dumps(one).encode() + b"\n" for one in documents)))
    lines = draw(st.lists(st.one_of(edited(*documents), st.sampled_from(documents)), max_size=4))
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)
