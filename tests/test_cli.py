"""The command line as a user meets it: processes of their own, exit codes, no tracebacks."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from support import CHECKOUT, ENVIRONMENT

COMMANDS = ["table", "check", "plan", "status", "unlock", "search", "export", "models", "doctor"]
#: What `triptych --help` must not import: each costs a noticeable part of a second.
HEAVY = ["numpy", "pydantic", "yaml", "h5py", "cv2", "av", "pandas", "pyarrow", "sklearn", "torch", "snakemake", "rich"]


def triptych(*arguments: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "triptych.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "COLUMNS": "120"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def folder(tmp_path):
    media = sorted((CHECKOUT / "data" / "demo" / "media").glob("*.mp4"))[:4]
    (tmp_path / "recordings").mkdir()
    for path in media:
        shutil.copy(path, tmp_path / "recordings" / path.name)
    rows = "".join(f"{path.stem},recordings/{path.name},{'ab'[n % 2]},g{n}\n" for n, path in enumerate(media))
    (tmp_path / "videos.csv").write_text("id,source,topic,film\n" + rows)
    study = {
        "study": "s",
        "corpus": "videos.csv",
        "encoders": {"picture": {"use": "classic-image"}},
        "features": {"seen": {"from": "picture.frame"}},
        "tasks": {"topic": {"label": "topic", "group": "film", "folds": 2}},
        "models": {"sight": {"inputs": ["seen"]}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(study))
    return tmp_path


def test_the_installed_command_is_there():
    ran = subprocess.run([ENVIRONMENT / "bin" / "triptych", "--help"], capture_output=True, text=True)
    assert ran.returncode == 0
    assert all(name in ran.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(name):
    ran = triptych(name, "--help")
    assert ran.returncode == 0 and f"triptych {name}" in ran.stdout.split("Options:")[0].split("\n", 1)[1]


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv = ['triptych', '--help']\nfrom triptych.cli import main\ntry:\n main()\nfinally:\n"
    code += f" print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert ran.stderr.strip() == "[]", ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *(["nonsense"], ["table"], ["table", "none"], ["check", "-c", "none.yaml"], ["status", "-c", "none.yaml"]),
        ["unlock", "-c", "none.yaml"],
        *(["plan", "nonsense"], ["export", "feature", "seen"], ["export", "features", "none"], ["export", "features"]),
        *(
            ["export", "features", "seen"],
            ["export", "predictions", "topic/sight", "--format", "xls"],
            ["check", "--x"],
        ),
        ["table", "http://127.0.0.1:9/list"],
    ],
)
def test_mistakes_end_without_traceback(folder, arguments):
    ran = triptych(*arguments, cwd=folder)
    assert ran.returncode in (1, 2) and "Traceback" not in ran.stdout + ran.stderr
    assert ran.stderr.strip()


def test_table(folder):
    ran = triptych("table", ".", "--label-from-folder", cwd=folder)
    assert ran.returncode == 0 and ran.stderr == "4 videos\n"
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    media = sorted(f"recordings/{path.name}" for path in (folder / "recordings").iterdir())
    assert [row["source"] for row in rows] == media and {row["label"] for row in rows} == {"recordings"}
    (folder / "ids.txt").write_text("dQw4w9WgXcQ\n")
    assert triptych("table", "ids.txt", "-o", "new/list.csv", cwd=folder).stdout == ""
    assert "dQw4w9WgXcQ" in (folder / "new" / "list.csv").read_text()


def test_check(folder):
    ran = triptych("check", cwd=folder)
    assert ran.returncode == 0 and "config.yaml: no faults; 4 rows in videos.csv" in ran.stdout
    (folder / "videos.csv").write_text("id,source,topic\na,x.mp4\nb,file:///y,z\n")
    study = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "other.yaml").write_text(yaml.safe_dump({**study, "shard": 2, "audio": {"mp3_rate": "x"}}))
    ran = triptych("check", "--configfile", "other.yaml", cwd=folder)
    assert ran.returncode == 1 and ran.stdout == ""
    assert ran.stderr.startswith("triptych: 4 faults\n") and ran.stderr.count("\n") == 5
    assert "  videos.csv: line 2: " in ran.stderr and "  other.yaml: shard: " in ran.stderr


@pytest.mark.fault(23)
def test_snakemake_makes_the_same_check(folder):
    (folder / "videos.csv").write_text("id,source,topic\na,x.mp4\n")
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--snakefile", str(CHECKOUT / "Snakefile")]
    ran = subprocess.run([*command, "--configfile", "config.yaml"], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert "videos.csv: line 2: 2 cells, the header has 3 columns" in ran.stderr


def test_plan(folder):
    ran = triptych("plan", "features", "-c", "config.yaml", cwd=folder)
    assert ran.returncode == 0 and ran.stdout.startswith("4 new videos, 0 cached; "), ran.stderr
    assert "pick_keyframes" in ran.stdout and "not made yet" in ran.stdout


def test_plan_and_status_while_a_run_is_active_and_after_it(folder):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "features",
        "--snakefile",
        str(CHECKOUT / "Snakefile"),
        "--cores",
        "1",
    ]
    run = subprocess.Popen([*command, "--configfile", "config.yaml"], cwd=folder, stderr=subprocess.DEVNULL)
    while not list(folder.glob("results/s/keyframes/*.json")) and run.poll() is None:
        time.sleep(0.05)
    assert run.poll() is None, "the run ended too early to be looked at"
    plan, status = triptych("plan", "features", cwd=folder), triptych("status", cwd=folder)
    assert plan.returncode == 0 and status.returncode == 0, plan.stderr + status.stderr
    assert "features/seen" in status.stdout
    assert run.wait() == 0
    after = triptych("plan", "features", cwd=folder)
    assert after.stdout == "0 new videos, 4 cached; 0 jobs\n"
    done = {stage["stage"]: stage for stage in json.loads(triptych("status", "--json", cwd=folder).stdout)["stages"]}
    assert done["features/seen"]["ok"] == 4 and done["keyframes"]["pending"] == 0 and done["keyframes"]["bytes"] > 0
    ran = triptych("export", "features", "seen", cwd=folder)
    assert ran.stdout == "4 rows of features seen in seen.npz\n" and (folder / "seen.npz").is_file()


def test_status(folder):
    ran = triptych("status", cwd=folder)
    assert ran.returncode == 0 and ran.stdout.startswith(
        "Study s: 4 rows in videos.csv, results in results/s\nno run is active\n"
    )
    told = json.loads(triptych("status", "--json", cwd=folder).stdout)
    assert [stage["pending"] for stage in told["stages"]] == [4] * len(told["stages"]) and told["run"] is None
    ran = triptych("status", "--retry-failed", "-c", "config.yaml", cwd=folder)
    request = folder / "results" / "s" / "attempts" / ".retry.json"
    assert "snakemake" in ran.stderr and request.is_file()
    request.unlink()
    request.parent.rmdir()
    request.parent.write_text("")
    ran = triptych("status", "--retry-failed", cwd=folder)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr and "results/s/attempts" in ran.stderr
    request.parent.unlink()
    request.parent.parent.rmdir()
    request.parent.parent.write_text("")
    ran = triptych("status", cwd=folder)
    assert ran.returncode == 0 and ran.stderr == ""
    request.parent.parent.unlink()


def test_doctor(folder):
    ran = triptych("doctor", cwd=folder)
    assert "ok  PyAV" in ran.stdout and "encoder classic-image" in ran.stdout
    assert (ran.returncode == 0) == ("\n!!" not in ran.stdout)
    assert triptych("doctor", "-c", "none.yaml", cwd=folder).stdout.startswith("ok  python")
