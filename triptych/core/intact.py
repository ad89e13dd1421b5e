"""What is wrong with files of weights, as far as it shows without loading them: cut short, incomplete, carrying code.

Safetensors say in their header how long they are. A file of `torch.save` is a pickle, which names what it imports: the
libraries read it with `weights_only=True`, which refuses all but tensors, and here the same is told before any job.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from triptych.core.files import parse_json

#: What plain tensors import, as torch's own reader for `weights_only=True` allows it.
_PLAIN = re.compile(
    r"torch\.(cuda\.)?(sparse\.)?\w*(Storage|Tensor)"
    r"|torch\.(Size|device|bool|bfloat16|float\d+\w*|u?int\d+|q(u)?int\d+(x\d+)?|complex\d+|bits\d+(x\d+)?|per_(channel|tensor)_\w+)"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2|torch\.serialization\._get_layout"
    r"|torch\.nn\.parameter\.Parameter|torch\.storage\.\w+Storage"
    r"|collections\.(OrderedDict|Counter)|_codecs\.encode|(builtins|__builtin__)\.(bytearray|complex|set)"
)
#: Longest header of a safetensors file that the format allows.
_HEADER = 100_000_000
#: Most bytes of the pickle inside of an archive of torch: names and shapes; the numbers lie beside it.
MOST_PICKLED = 32 * 2**20
#: Endings of files that can hold weights, in the forms that encoders and transcribers read.
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".onnx", ".npz", ".h5", ".tflite")
#: Weights in the form of transformers and of sentence-transformers, when no safetensors stand in for them.
_PICKLED = re.compile(r"(pytorch_model|adapter_model)[\w.-]*\.bin")


def faults(folder: Path, names: Iterable[str]) -> list[str]:
    """What is wrong with a model's files; each line names a file.

    Args:
        folder: of the model.
        names: of its files, relative to the folder.
    """
    found = []
    known = set(names)
    for name in sorted(known):
        path, base = folder / name, name.rpartition("/")[2]
        if name.endswith(".safetensors"):
            found += _safetensors(path)
        elif name.endswith(".index.json"):
            found += _shards(path, name, known)
        elif name == "modules.json":
            found += _modules(path)
        elif _PICKLED.fullmatch(base) and not _replaced(name, known):
            found += _pickled(path)
    return found


def _replaced(name: str, known: set[str]) -> bool:
    """Whether safetensors of the same folder are read in place of a pickle."""
    place = name.rpartition("/")[0]
    return any(other.endswith(".safetensors") and other.rpartition("/")[0] == place for other in known)


def _safetensors(path: Path) -> list[str]:
    size = path.stat().st_size
    try:
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if size < 8 or not 2 <= length <= min(_HEADER, size - 8):
                return [f"{path} is no whole safetensors file ({size} bytes)"]
            header = parse_json(handle.read(length))
        ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        if not all(type(end) is int for end in ends):
            raise TypeError("offsets are no numbers")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return [f"{path} is no whole safetensors file (its header cannot be read: {error})"]
    wanted = 8 + length + max(ends, default=0)
    return [] if wanted == size else [f"{path} is not whole: {size} bytes, but its header tells of {wanted}"]


def _shards(path: Path, name: str, known: set[str]) -> list[str]:
    place = name.rpartition("/")[0]
    if name.endswith(".bin.index.json") and _replaced(name, known):
        return []
    try:
        wanted = sorted(set(parse_json(path.read_text(encoding="utf-8"))["weight_map"].values()))
        if any("/" in one or one.startswith(".") for one in wanted):
            return [f"{path} names files outside of its folder"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{path} is damaged ({error})"]
    missing = [one for one in wanted if (f"{place}/{one}" if place else one) not in known]
    return [f"{path} names {', '.join(missing)}, which is missing"] if missing else []


def _modules(path: Path) -> list[str]:
    """Parts of a sentence-transformers model: before its version 6 the library ran a local folder's own."""
    try:
        types = [str(one["type"]) for one in parse_json(path.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError) as error:
        return [f"{path} is damaged ({error})"]
    foreign = [one for one in types if not one.startswith("sentence_transformers.")]
    return [f"{path} asks for code outside of sentence-transformers ({foreign[0]}); not loaded"] if foreign else []


def _pickled(path: Path) -> list[str]:
    try:
        foreign = [name for name in imports(path) if not _PLAIN.fullmatch(name)]
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        return [f"{path} cannot be read as weights of torch ({error})"]
    if foreign:
        listed = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        return [
            f"{path} carries more than numbers (it wants to call {listed}); not loaded. Take safetensors, or weights "
            "whose origin you know"
        ]
    return []


def imports(path: Path) -> list[str]:
    """What a pickle, or a file of `torch.save`, would import if it were loaded: `module.name`, sorted.

    Raises:
        ValueError: no pickle, or one that hides what it imports.
    """
    with path.open("rb") as handle:
        if handle.read(4) == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive:
                inner = [name for name in archive.namelist() if name.rpartition("/")[2].endswith(".pkl")]
                if not inner:
                    raise ValueError("an archive without data.pkl")
                found = set()
                for name in inner:
                    if archive.getinfo(name).file_size > MOST_PICKLED:
                        raise ValueError(f"{name} claims {archive.getinfo(name).file_size:,} bytes")
                    with archive.open(name) as stream:
                        found |= set(_named(pickletools.genops(stream)))
                return sorted(found)
        handle.seek(0)
        return sorted(set(_stream(_Bounded(handle, path.stat().st_size))))


class _Bounded:
    """What pickletools asks of a file; memory is taken for what is there, not for what a length in it claims."""

    def __init__(self, handle: BinaryIO, size: int) -> None:
        self._handle, self._size, self.tell = handle, size, handle.tell

    def read(self, count: int) -> bytes:
        if count > MOST_PICKLED:
            raise ValueError(f"a part of it claims {count:,} bytes")
        return self._handle.read(min(count, self._size - self.tell()))

    def readline(self) -> bytes:
        return self._handle.readline(MOST_PICKLED)


def _stream(handle: _Bounded) -> Iterator[str]:
    """Imports of one pickle, or of those at the beginning of the older form of torch, which raw numbers follow."""
    older = False

    def first() -> Iterator[tuple]:
        nonlocal older
        for operation in pickletools.genops(handle):
            # The older form begins with a pickle of this number, then version, system, the object and the names of its
            # numbers.
            older = older or operation[1] == 0x1950A86A20F9469CFC6C
            yield operation

    yield from _named(first())
    for _ in range(4 if older else 0):
        yield from _named(pickletools.genops(handle))


def _named(operations: Iterable[tuple]) -> Iterator[str]:
    """`module.name` of each import of a pickle's operations; a name that is computed is told as `?`."""
    kept: dict[int, object] = {}
    recent: deque[object] = deque(maxlen=2)
    for code, argument, _ in operations:
        name = code.name
        if name == "GLOBAL":
            yield str(argument).replace(" ", ".")
            recent.append(None)
        elif name == "INST":
            yield str(argument).replace(" ", ".")
        elif name == "STACK_GLOBAL":
            both = list(recent)
            yield ".".join(both) if len(both) == 2 and all(isinstance(one, str) for one in both) else "?"
            recent.append(None)
        elif name.startswith("EXT"):
            yield "?"
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            kept[argument] = recent[-1] if recent else None
        elif name == "MEMOIZE":
            kept[len(kept)] = recent[-1] if recent else None
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            recent.append(kept.get(argument))
        elif name not in ("PROTO", "FRAME"):
            recent.append(argument if isinstance(argument, str) else None)
