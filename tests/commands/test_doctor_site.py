"""Lines for the profile and the study that follow from what SLURM tells of its partitions."""

import pytest
import yaml
from snakemake.resources import Resources

from triptych.commands.doctor_site import Partition, Site, kinds_of_cards, minutes, partitions, quoted

SINFO = """short*|up|4:00:00|40|64+|256000|(null)
long|up|14-00:00:00|20|64+|256000+|(null)
accel|up|2-00:00:00|8|48|512000|gpu:a100:4(S:0-1)
accel|up|2-00:00:00|2|96|1000000|gpu:h200:8,tmpfs:1
plain|up|infinite|1|8|30000|gpu:2
"""


def test_the_study_keeps_to_the_least_of_the_partitions_that_its_jobs_go_to():
    told = "main*|up|2-00:00:00|9|64|250000|(null)\ncards|up|08:00:00|2|32|60000|gpu:a100:4\n"
    site = Site(partitions(told), card_syntax="gpu")
    assert site.study_lines() == ["resources:", "  every: {max_mem_mb: 60000, max_runtime: 480}"]
    site.card_syntax = None
    assert site.study_lines() == ["resources:", "  every: {max_mem_mb: 250000, max_runtime: 2880}"]
    unknown = Site(
        partitions("main*|up|8:00:00|9|64|1|(null)\ncards|up|infinite|2|32|60000|gpu:4\n"), card_syntax="gpu"
    )
    assert unknown.study_lines() == ["resources:", "  every: {max_mem_mb: 60000, max_runtime: 480}"]
    assert Site(partitions("main*|up|infinite|9|64|1|(null)\n")).study_lines() == []


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("5", 5), ("5:30", 5.5), ("4:00:00", 240), ("2-00:00:00", 2880), ("2-12", 3600), ("infinite", None)],
)
def test_limits_as_slurm_writes_them(limit, expected):
    assert minutes(limit) == expected


def test_partitions_of_several_kinds_of_nodes():
    found = {one.name: one for one in partitions(SINFO)}
    assert found["short"] == Partition("short", True, 240, 40, 64, 256000, ())
    assert found["accel"] == Partition("accel", False, 2880, 10, 48, 512000, ("a100", "h200"))
    assert found["plain"].cards == ("",) and found["plain"].minutes is None


@pytest.mark.parametrize(
    ("gres", "kinds"),
    [
        ("gpu:4", ("",)),
        ("gpu:a100:4(S:0-1)", ("a100",)),
        ("gpu:2080ti:2(S:0,2),gpu:1g.10gb:7(S:1)", ("2080ti", "1g.10gb")),
        ("gpu:a100-sxm4-80gb:8,tmpfs:1", ("a100-sxm4-80gb",)),
        ("shard:gpu:4", ()),
        ("(null)", ()),
    ],
)
def test_kinds_of_cards(gres, kinds):
    assert kinds_of_cards(gres) == kinds


def test_only_kinds_that_the_executor_takes_are_named():
    told = "cards*|up|infinite|2|32|60000|gpu:a100-sxm4-80gb:4\n"
    site = Site(partitions(told), card_syntax="gpu")
    assert not [line for line in site.lines() if line.strip().startswith("gpu_type")]
    assert [line for line in site.lines() if "# a100-sxm4-80gb: the executor takes no such name" in line]
    site.card_syntax = "gres"
    assert "  gpu_gres: gpu:1" in site.lines()
    mixed = Site(partitions(told + "cards*|up|infinite|2|32|60000|gpu:h100:4\n"), card_syntax="gpu")
    assert "  gpu_type: h100" in mixed.lines()


def test_lines_for_the_profile_and_the_study():
    site = Site(partitions(SINFO), ["lab", "other"], "sacct", card_syntax="gpu")
    assert site.lines() == [
        "slurm-status-command: sacct",
        "default-resources:",
        "  runtime: 30",
        "  mem_mb: 1000",
        "  slurm_partition: short",
        "  slurm_account: lab",
        "  gpu_partition: accel",
        "  gpu_type: a100    # or h200",
    ]
    assert site.study_lines() == ["resources:", "  every: {max_mem_mb: 256000, max_runtime: 240}"]
    site.card_syntax, site.status = "gres", "squeue"
    assert "  gpu_gres: gpu:a100:1" in site.lines()
    assert site.lines()[0] == "slurm-status-command: squeue" and not [line for line in site.lines() if "init" in line]
    site.unsafe = "ended jobs are forgotten after 60 s"
    assert site.lines()[0] == "slurm-status-command: squeue    # not safe: ended jobs are forgotten after 60 s"
    site.card_syntax = None
    assert not [line for line in site.lines() if "gpu" in line]


def test_lines_of_another_form_and_partitions_that_take_no_jobs_are_passed_by():
    told = "Welcome to the cluster\n" + SINFO + "old|down|infinite|4|8|16000|gpu:4\nnews|up|all day|many|8|1|(null)\n"
    assert [one.name for one in partitions(told)] == ["short", "long", "accel", "plain"]


def test_what_was_named_for_the_trial_comes_first():
    site = Site(partitions(SINFO), ["lab"], partition="long", qos="night", card_syntax="gpu", card_partition="plain")
    assert {"  slurm_partition: long", "  qos: night", "  gpu_partition: plain"} <= set(site.lines())
    site.tried = False
    assert {"  slurm_partition: long    # not tried", "  slurm_account: lab    # not tried"} <= set(site.lines())
    assert Site(partitions(SINFO), partition="nowhere").common is None
    assert [one.name for one in Site(partitions(SINFO)).have_cards()] == ["accel", "plain"]
    assert [one.name for one in Site(partitions(SINFO), partition="plain").have_cards()] == ["plain", "accel"]


NAMES = [
    "main",
    "gpu-long",
    "all",
    "input",
    "attempt",
    "lookup",
    "min-max",
    "max.x",
    "7",
    "2080ti",
    "1e5",
    "on",
    "None",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_what_snakemake_makes_of_its_line(name):
    """As the profile's line and as jobs get it: names of Python's and of YAML's would be something else."""
    line = f"slurm_partition: {quoted(name)}"
    read = yaml.safe_load(line)["slurm_partition"]
    kept = Resources.parse([f"slurm_partition={read}"], allow_expressions=True)["slurm_partition"]
    context = {"input": ["x"], "attempt": 1, "threads": 1, "rulename": "r", "async_run": None}
    assert kept.evaluate("w", **context).value == name
    assert (line == f"slurm_partition: {name}") == (name in ("main", "gpu-long"))
