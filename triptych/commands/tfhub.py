"""Models of TensorFlow Hub, brought into the folder where its library would keep them; without TensorFlow.

A handle is a URL that answers with an archive of a SavedModel. The hub tells no digest: the first fetch decides, and
`models.lock` holds every later one against it.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from triptych.core import weights
from triptych.core.hubs import tfhub_cache, tfhub_folder

TIMEOUT = 60.0
#: Most bytes that an archive may unpack to.
MOST_BYTES = 32 * 2**30


def bring(need: weights.Need, say: Callable[[str], None]) -> weights.Located:
    """Bring a handle's SavedModel to this machine.

    Raises:
        WeightsError: it cannot be fetched, or is no SavedModel.
    """
    handle, folder = need.model, tfhub_cache() / tfhub_folder(need.model).name
    say(f"{handle}: from TensorFlow Hub")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the final place, so that the finished folder can be moved in one step.
    temporary = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder.parent))
    try:
        request = urllib.request.Request(f"{handle}{'&' if '?' in handle else '?'}tf-hub-format=compressed")
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            _unpack(answer, temporary)
        if not (temporary / "saved_model.pb").is_file():
            raise weights.WeightsError(f"{handle}: what was sent is no SavedModel")
        temporary.chmod(0o777 & ~_umask())
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except urllib.error.HTTPError as error:
        raise weights.WeightsError(f"{handle}: the server answered {error.code} {error.reason}") from error
    except (OSError, EOFError, tarfile.TarError) as error:
        raise weights.WeightsError(f"{handle} cannot be fetched ({type(error).__name__}: {error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return weights.find(handle, kind="tfhub")


def _unpack(stream, folder: Path) -> None:
    """Plain files and folders of an archive, all of them inside of `folder`."""
    room = MOST_BYTES
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            room -= max(0, member.size)
            if room < 0:
                raise weights.WeightsError(f"the archive unpacks to more than {MOST_BYTES >> 30} GiB")
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or not (member.isreg() or member.isdir()):
                raise weights.WeightsError(f"the archive holds {member.name!r}, which is no plain file of its own")
            if member.isreg():
                place = folder.joinpath(*name.parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.extractfile(member) as source, place.open("wb") as target:
                    shutil.copyfileobj(source, target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
