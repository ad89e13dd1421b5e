"""What the code never does, held against its own source: no shell, no unpickling, no code of strangers."""

import ast
import re

import pytest
from support import CHECKOUT

FILES = sorted(
    path
    for folder in ("triptych", "scripts")
    for path in (CHECKOUT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
RULES = [CHECKOUT / "Snakefile", *sorted((CHECKOUT / "rules").glob("*.smk"))]
#: Calls that run text or unpickle, and the one file that may make them.
FORBIDDEN = {
    "eval": None,
    "exec": None,
    "os.system": None,
    "os.popen": None,
    "pickle.load": None,
    "pickle.loads": None,
    "joblib.load": None,
    "pd.read_pickle": None,
    "yaml.load": None,
    "yaml.unsafe_load": None,
    "yaml.full_load": None,
    "h5py.File": "triptych/core/hdf.py",
    "os.fork": "triptych/media/sandbox.py",
}


def name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def calls(path):
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_call_runs_text_or_unpickles(path):
    place = str(path.relative_to(CHECKOUT))
    for call in calls(path):
        name = name_of(call.func)
        assert name not in FORBIDDEN or FORBIDDEN[name] == place, f"{place}:{call.lineno} calls {name}"
        given = {one.arg: getattr(one.value, "value", None) for one in call.keywords}
        assert given.get("shell") is not True, f"{place}:{call.lineno}"
        assert given.get("trust_remote_code") is not True, f"{place}:{call.lineno}"
        assert given.get("allow_pickle") is not True, f"{place}:{call.lineno}"
        if name in ("torch.load", "np.load"):
            asked = {"torch.load": "weights_only", "np.load": "allow_pickle"}[name]
            assert asked in given, f"{place}:{call.lineno}: {name} without {asked}"


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_has_a_shell(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(shell|run)\s*:", text, re.MULTILINE)
