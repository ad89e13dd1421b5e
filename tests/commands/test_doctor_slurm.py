"""What the doctor makes of a site's answers; it is tried on a real SLURM in tests/slurm."""

from triptych.commands import doctor_slurm
from triptych.commands.doctor_site import Site


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
