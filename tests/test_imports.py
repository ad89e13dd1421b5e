"""Imports of the package run one way only, and nothing heavy is imported at module level."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "triptych"
#: The order in which data pass through the package: a file imports from its own line or the lines above it.
ORDER = ["core", "media", "speech", "encoders", "evaluate", "learn", "crossmodal", "report", "commands", "cli"]
HEAVY = {"torch", "transformers", "sentence_transformers", "tensorflow", "ultralytics", "sklearn", "imblearn", "scipy"}
HEAVY |= {"h5py", "cv2", "av", "pandas", "pyarrow", "matplotlib", "yt_dlp", "PIL"}
FILES = sorted(PACKAGE.rglob("*.py"))


def line_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(tree: ast.AST, top_only: bool) -> list[str]:
    nodes = tree.body if top_only else ast.walk(tree)
    names = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            names += [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    own = line_of(path)
    if own == "__init__":
        return
    for name in imported(ast.parse(path.read_text()), top_only=False):
        if name.startswith("triptych.") and len(name.split(".")) > 1:
            other = name.split(".")[1]
            if other in ORDER:
                assert ORDER.index(other) <= ORDER.index(own), f"{path.name} ({own}) imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_heavy_at_module_level(path):
    heavy = {name.split(".")[0] for name in imported(ast.parse(path.read_text()), top_only=True)} & HEAVY
    assert not heavy, f"{path} imports {heavy} at module level"


def test_every_folder_of_the_package_has_its_place_in_the_order():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders <= set(ORDER)
