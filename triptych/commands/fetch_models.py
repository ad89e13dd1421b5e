"""`triptych models --fetch` and `--trust`: weights brought to this machine, and listed in `models.lock`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from triptych.commands import hub, tfhub
from triptych.commands.catalogue import Part, parts_of
from triptych.commands.models import install, size
from triptych.core import intact, weights
from triptych.core.config import Study

Say = Callable[[str], None]


def fetch(study: Study, say: Say) -> list[str]:
    """Bring all that a study needs, verify it, and write `models.lock`; one failure does not end the rest.

    Args:
        study: whose encoders and transcribers are looked at.
        say: prints a line.

    Returns:
        What could not be brought, one line each.
    """
    from triptych.encoders.registry import missing_packages

    parts, failures = parts_of(study)
    seen: set[weights.Need] = set()
    for part in parts:
        missing = missing_packages(part.card)
        if missing:
            told = f"{part.name}: needs {', '.join(missing)}; {install(part.card, missing)}"
            # Weights in a package come with it; of others the jobs may have an environment of their own.
            if part.card.weights == "package":
                failures.append(told)
            else:
                say(f"note: {told}")
        try:
            if part.card.weights == "package" and not missing:
                _verify(part, say)
            needs = part.needs
        except ValueError as error:
            failures.append(f"{part.name}: {error}")
            continue
        for need in needs:
            if need in seen:
                continue
            seen.add(need)
            try:
                _bring(need, say)
            except (weights.WeightsError, OSError, TimeoutError) as error:
                failures.append(f"{part.name}: {error}")
                say(f"failed: {error}")
    if not seen and not failures:
        say("this study needs no weights but those of its packages")
    return failures


def _verify(part: Part, say: Say) -> None:
    verify = getattr(part.owner, "verify", None)
    if verify is not None:
        verify()
    say(f"{part.name}: in the package {part.card.packages[0]}{', verified' if verify else ''}")


def _bring(need: weights.Need, say: Say) -> None:
    if need.fetch is not None:
        need.fetch(say)
        return
    local = not need.model or weights.is_path(need.model) or Path(need.model).exists()
    try:
        found = weights.locate(need.model, need.revision, kind=need.kind, listed=need.listed)
    except weights.WeightsError:
        if local or need.kind == "file":
            raise  # nobody but the user can bring a local path
    else:
        if local:
            say(f"{need.model}: here, {size(found.bytes)}, {found.identity}")
            return
        if weights.entry_for(need.model, need.revision, weights.read_lock(), found.path) is not None:
            say(f"{need.model}: here, {size(found.bytes)}, as models.lock lists it")
            return
    found = tfhub.bring(need, say) if need.kind == "tfhub" else hub.bring(need, say)
    weights.add_to_lock(found, need.revision)
    weights.locate(need.model, need.revision, kind=need.kind, listed=need.listed)
    say(f"  here: {found.path}, in models.lock")


def trust(path: str, say: Say) -> None:
    """List a local file or folder in `models.lock`, and tell what is known of it.

    Raises:
        WeightsError: it is not there.
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise weights.WeightsError(f"{path}: there is no such file or folder")
    kind: weights.Kind = "file" if place.is_file() else "tfhub" if (place / "saved_model.pb").is_file() else "folder"
    found = weights.find(str(place), kind=kind)
    for name, told in weights.entry_of(found)["files"].items():
        one = found.path / name if name else found.path
        say(f"{one}: {size(told['bytes'])}, sha256 {told['sha256']}")
        if one.suffix in (".pt", ".pth", ".bin", ".ckpt", ".pkl"):
            _tell_imports(one, say)
    weights.add_to_lock(found)
    say(f"{path} is listed in {weights.LOCK}; any other content is refused from now on")


def _tell_imports(path: Path, say: Say) -> None:
    try:
        names = [name for name in intact.imports(path) if not name.startswith(("torch._utils.", "collections."))]
    except (ValueError, OSError):
        return  # no pickle: nothing of it is run by reading
    say(f"  loading it imports: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}")
