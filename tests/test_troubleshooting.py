"""Each message that docs/troubleshooting.md names is one that is really printed, here or on a cluster."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import snakemake
import snakemake_executor_plugin_slurm as plugin
from support import CHECKOUT

PAGE = CHECKOUT / "docs" / "troubleshooting.md"
#: What SLURM's own programs print; tests/slurm/test_words.py looks there.
OF_SLURM = {
    *("sacct: invalid option -- '1'", "Exceeded job memory limit", "oom_kill", "DUE TO TIME LIMIT"),
    "Could not establish a configuration source",
}
#: What Snakemake says in situations that the next lines bring about.
PROVOKED = {
    "Error: Directory cannot be locked",
    "IncompleteFilesException",
    "The files below seem to be incomplete",
    "MissingInputException",
    "MissingOutputException",
    "invalid choice: ...",
}

SNAKEFILE = """
rule made:
    output: "made.txt"
    shell: "touch {output}"
rule needs:
    input: "nowhere.txt"
    output: "needs.txt"
    shell: "touch {output}"
rule forgets:
    output: "forgets.txt"
    shell: "true"
"""


def messages() -> list[str]:
    """What stands in bold and code."""
    text = PAGE.read_text(encoding="utf-8")
    return [" ".join(one.split()) for one in re.findall(r"\*\*`([^`]+)`\*\*", text)]


def is_in(message: str, text: str) -> bool:
    """Whether a text has a message, in which `...` stands for anything short."""
    pieces = [re.escape(piece) for piece in message.split("...")]
    return re.search(r"[^\n]{0,400}?".join(pieces), text) is not None


@cache
def printed() -> str:
    """Every text in the sources of the package, of Snakemake and of its executor; a value of it is one mark."""
    folders = (CHECKOUT / "triptych", Path(snakemake.__file__).parent, Path(plugin.__file__).parent)
    texts = []
    for path in (path for folder in folders for path in sorted(folder.rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "\x00" for part in node.values)
                texts.append("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                texts.append(node.value)
    return "\n".join(texts)


@pytest.fixture(scope="module")
def provoked(tmp_path_factory) -> str:
    """What Snakemake prints of a lock that was left, a half-done file, lost files and an unknown executor."""
    folder = tmp_path_factory.mktemp("provoked")
    (folder / "Snakefile").write_text(SNAKEFILE)

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--workflow-profile", "none", *arguments]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert ran.returncode, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    said = [run("needs"), run("forgets", "--latency-wait", "0"), run("--executor", "none")]
    (folder / ".snakemake" / "locks").mkdir(parents=True, exist_ok=True)
    (folder / ".snakemake" / "locks" / "0.output.lock").write_text("made.txt\n")
    said.append(run("made"))
    (folder / ".snakemake" / "locks" / "0.output.lock").unlink()
    # Snakemake's mark of a file that is being written.
    (folder / "made.txt").write_text("half")
    incomplete = folder / ".snakemake" / "incomplete"
    incomplete.mkdir(exist_ok=True)
    (incomplete / "bWFkZS50eHQ=").write_text("{}")
    said.append(run("made"))
    return "\n".join(said)


@pytest.mark.parametrize("message", sorted(set(messages())))
def test_a_message_is_really_printed(message, provoked):
    if message in PROVOKED:
        assert is_in(message, provoked), f"{message!r} is not among\n{provoked}"
    elif message not in OF_SLURM:
        assert is_in(message, printed()), f"nothing prints {message!r}"


def test_every_heading_is_a_message_or_a_sentence_without_one():
    assert set(messages()) >= PROVOKED | OF_SLURM
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("**"):
            heading = line.split(" – ")[0]
            assert re.fullmatch(r"(\*\*`[^`]+`\*\*,? ?)+.*|\*\*[^`]+\*\*", heading), line


def test_a_message_that_nothing_prints_is_found():
    assert not is_in("a run is at work in ...", printed()) and is_in("a run is active in ...", printed())


def test_no_page_sends_a_reader_to_snakemakes_own_unlock():
    pages = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
    blocks = [block for page in pages for block in re.findall(r"```\w*\n(.*?)```", page.read_text(), re.DOTALL)]
    assert not [block for block in blocks if "--unlock" in block]
