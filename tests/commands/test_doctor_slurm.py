"""What the doctor makes of a site's answers; it is tried on a real SLURM in tests/slurm."""

import inspect
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin
import yaml
from support import CHECKOUT
from typer.testing import CliRunner

from triptych.cli import app
from triptych.commands import doctor_slurm
from triptych.commands.doctor_site import REMEMBERED, Site, partitions


def test_without_slurm_it_says_where_to_run(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = list(doctor_slurm.examine(Site(), tmp_path))
    assert (
        found[-1].level == "missing" and "sbatch" in found[-1].told and "where jobs are submitted" in found[-1].advice
    )


def test_a_controller_that_does_not_answer_is_a_finding(monkeypatch, tmp_path):
    for name in doctor_slurm.PROGRAMS:
        (tmp_path / name).write_text(
            "#!/bin/sh\necho slurm_load_partitions: Unable to contact slurm controller >&2\nexit 1\n"
        )
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = list(doctor_slurm.examine(Site(), tmp_path))
    assert found[-1].level == "missing" and "Unable to contact" in found[-1].told


def programs(folder: Path, monkeypatch, **scripts: str) -> None:
    """A site whose programs answer what is told; those that are not named answer nothing, well."""
    for name in {*doctor_slurm.PROGRAMS, *scripts}:
        (folder / name).write_text(f"#!/bin/sh\n{scripts.get(name, 'true')}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(("age", "level"), [(10, "missing"), (90, "missing"), (239, "missing"), (240, "ok")])
def test_squeue_is_right_where_ended_jobs_are_remembered_longer_than_the_longest_pause(
    monkeypatch, tmp_path, age, level
):
    programs(tmp_path, monkeypatch, sacct="exit 1", scontrol=f"echo 'MinJobAge               = {age} sec'")
    site = Site()
    (found,) = doctor_slurm._status(site, "7")
    assert (found.level, site.status) == (level, "squeue") and f"for {age} s" in found.told
    assert ("use sacct, or ask the site for MinJobAge 300" in found.advice) == bool(site.unsafe) == (level == "missing")


def test_accounting_is_asked_as_the_executor_asks(monkeypatch, tmp_path):
    from snakemake_executor_plugin_slurm.job_status_query import query_job_status_sacct

    assert shlex.split(query_job_status_sacct("a-run")) == doctor_slurm.sacct("a-run")
    # A site that lists jobs by number, and none by name of all clusters.
    programs(tmp_path, monkeypatch, sacct='case "$*" in *--clusters*) ;; *) echo "7|COMPLETED" ;; esac')
    clock = SimpleNamespace(monotonic=iter(range(0, 100, 20)).__next__, sleep=lambda seconds: None)
    monkeypatch.setattr(doctor_slurm, "time", clock)
    site = Site()
    (found,) = doctor_slurm._status(site, "7")
    assert site.status == "squeue" and "does not list the trial job" in found.told


def test_the_longest_pause_is_the_executors_and_the_profile_fits():
    longest = re.search(r"max_sleep_time = (\d+)", inspect.getsource(plugin.Executor.check_active_jobs))
    assert int(longest[1]) + 60 <= REMEMBERED
    profile = yaml.safe_load((CHECKOUT / "profiles" / "slurm" / "config.yaml").read_text())
    # The executor asks sacct after all where ended jobs are remembered for less than three of its first pauses.
    assert 3 * profile["slurm-init-seconds-before-status-checks"] <= REMEMBERED


def test_a_short_limit_of_time_is_told():
    site = Site(partitions("debug*|up|30:00|2|8|16000|(null)\n"))
    (found,) = doctor_slurm._limit(site)
    assert (found.level, found.told) == ("optional", "at most 30 minutes in debug")
    assert not list(doctor_slurm._limit(Site(partitions("main*|up|8:00:00|2|8|16000|(null)\n"))))


#: A site of three partitions that answers on all but `sbatch`.
SITE = {
    "sinfo": "echo 'motd'; echo 'main*|up|8:00:00|2|8|16000|(null)'; echo 'a|up|8:00:00|2|8|16000|gpu:h100:2'; "
    "echo 'b|up|8:00:00|2|8|16000|gpu:a100:2'",
    "sacct": "exit 1",
    "scontrol": "echo 'MinJobAge = 300 sec'; echo 'PreemptMode = REQUEUE'",
}


def test_a_trial_that_is_refused_tells_what_to_name_and_marks_what_was_not_tried(monkeypatch, tmp_path):
    programs(tmp_path, monkeypatch, **SITE, sbatch="echo 'sbatch: error: Invalid account' >&2; exit 1")
    site = Site(accounts=["lab"])
    found = {one.what: one for one in doctor_slurm.examine(site, tmp_path)}
    assert found["trial job"].level == "missing" and found["trial job"].told == "sbatch: error: Invalid account"
    assert "--partition, --account or --qos" in found["trial job"].advice
    assert "  slurm_account: lab    # not tried" in site.lines() and site.status == "squeue"


def test_a_partition_that_is_not_there_is_told_before_any_job(monkeypatch, tmp_path):
    programs(tmp_path, monkeypatch, **SITE, sbatch="touch submitted")
    monkeypatch.chdir(tmp_path)
    found = list(doctor_slurm.examine(Site(partition="gone"), tmp_path))[-1]
    assert found.level == "missing" and found.told == "gone is not among those that take jobs (main, a, b)"
    assert not (tmp_path / "submitted").exists()
    ran = CliRunner().invoke(app, ["doctor", "--slurm", "--partition", "gone"])
    assert ran.exit_code == 1 and "gone is not among" in ran.output and "Lines for" not in ran.output


def test_partitions_with_cards_are_tried_in_turn(monkeypatch, tmp_path):
    refuses = 'case "$*" in *--partition=b*--gres*|*--gres*--partition=b*) ;; *) echo "not for you" >&2; exit 1 ;; esac'
    programs(tmp_path, monkeypatch, **SITE, sbatch=refuses)
    site = Site(
        partitions(
            "main*|up|8:00:00|2|8|16000|(null)\na|up|8:00:00|2|8|16000|gpu:h100:2\nb|up|8:00:00|2|8|16000|gpu:a100:2\n"
        )
    )
    assert doctor_slurm._find_cards(site) == ""
    assert (site.with_cards.name, site.card_syntax) == ("b", "gres")
    assert "  gpu_partition: b" in site.lines() and "  gpu_gres: gpu:a100:1" in site.lines()
    programs(tmp_path, monkeypatch, sbatch="echo no >&2; exit 1")
    assert doctor_slurm._find_cards(site) == "a: no; b: no"


def test_jobs_that_are_cancelled_to_make_room_are_told(monkeypatch, tmp_path):
    site = Site(partitions("main*|up|8:00:00|2|8|16000|(null)\n"))
    own = (
        'case "$*" in *partition*) echo "PartitionName=main PreemptMode=OFF" ;; *) echo "PreemptMode = CANCEL" ;; esac'
    )
    programs(tmp_path, monkeypatch, scontrol="echo 'PreemptMode             = CANCEL'")
    (found,) = doctor_slurm._preemption(site)
    assert found.level == "optional" and "in main a job that makes room" in found.told
    programs(tmp_path, monkeypatch, scontrol=own)
    assert not list(doctor_slurm._preemption(site))
