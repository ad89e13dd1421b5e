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
    site = Site(partitions("debug*|30:00|2|8|16000|(null)\n"))
    (found,) = doctor_slurm._limit(site)
    assert (found.level, found.told) == ("optional", "at most 30 minutes in debug")
    assert not list(doctor_slurm._limit(Site(partitions("main*|8:00:00|2|8|16000|(null)\n"))))
