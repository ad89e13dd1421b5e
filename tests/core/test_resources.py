"""What jobs ask for: one table, changed by the study, grown with videos and attempts."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support import CHECKOUT

from triptych.core.config.resources import LEAST_MB, TABLE, Resources
from triptych.core.resources import AROUND_MB, KIND, Needs, notice, site, site_or_exit
from triptych.core.study import StudyError, parse_study

WILD = SimpleNamespace(encoder="clip", shard="1")


def asked(needs: dict, name: str, attempt: int = 1):
    value = needs[name]
    return value(WILD, attempt) if name in ("mem_mb", "runtime") else value(WILD)


def test_every_rule_with_a_script_has_a_row():
    named = set()
    for path in (CHECKOUT / "rules").glob("*.smk"):
        for rule, body in re.findall(
            r"^rule (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(), flags=re.MULTILINE | re.DOTALL
        ):
            if "script:" in body:
                named.add(rule)
        named |= set(re.findall(r"^use rule \w+ as (\w+) with:", path.read_text(), flags=re.MULTILINE))
    assert len(named) > 20 and sorted(named - set(TABLE)) == []


def test_rows_are_complete_and_leave_room_for_snakemake():
    for rule, row in TABLE.items():
        assert row.mem_mb >= LEAST_MB and row.threads >= 1 and row.runtime > 0, rule
        assert row.mem_mb_video is not None and row.runtime_video is not None, rule


@pytest.mark.fault(18)
def test_a_job_asks_for_its_videos_and_a_further_attempt_for_twice_as_much():
    row = TABLE["embed_shard"]
    needs = Needs({}, 0)("embed_shard", videos=lambda wildcards: ["a"] * 200)
    first = asked(needs, "mem_mb"), asked(needs, "runtime")
    assert first == (row.mem_mb + 200 * row.mem_mb_video, row.runtime + 200 * row.runtime_video)
    assert (asked(needs, "mem_mb", 3), asked(needs, "runtime", 3)) == (4 * first[0], 4 * first[1])


def test_every_row_of_the_table_costs_each_job_memory():
    few, many = (asked(Needs({}, 0, rows=rows)("probe_media", videos=3), "mem_mb") for rows in (0, 900_000))
    assert many == few + 1800


def test_a_model_that_is_known_to_need_more_gets_more_unless_the_study_says_otherwise():
    def memory(given):
        return asked(Needs(given, 0)("embed_shard", mem_mb=lambda wildcards: 9000), "mem_mb")

    assert memory({}) == 9000 + AROUND_MB
    assert memory({"embed_shard": Resources(mem_mb=3000)}) == 3000
    assert memory({"every": Resources(runtime=5)}) == 9000 + AROUND_MB


def test_a_rules_own_entry_comes_before_every_and_that_before_the_table():
    given = {"every": Resources(mem_mb=5000, runtime=7), "train_model": Resources(runtime=9)}
    row = Needs(given, 0).row("train_model")
    assert (row.mem_mb, row.runtime, row.threads) == (5000, 9, TABLE["train_model"].threads)


def test_no_attempt_asks_for_more_than_a_node_has():
    given = {"every": Resources(max_mem_mb=6000, max_runtime=90)}
    needs = Needs(given, 0)("train_model")
    assert (asked(needs, "mem_mb", 4), asked(needs, "runtime", 4)) == (6000, 90)


def test_a_limit_below_what_jobs_are_known_to_need_is_told_once_a_rule():
    told = []
    needs = Needs({"every": Resources(max_mem_mb=6000)}, 0, tell=told.append)
    model = needs("embed_shard", mem_mb=lambda wildcards: 9000)
    assert asked(model, "mem_mb") == asked(model, "mem_mb", 2) == 6000
    asked(needs("probe_media"), "mem_mb", 3)
    assert told == [
        f"note: jobs of embed_shard need {9000 + AROUND_MB} MB, and max_mem_mb in the study gives them 6000"
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, float("inf")) for key in Resources.model_fields if key != "local"),
        *((key, 1e12) for key in Resources.model_fields if key != "local"),
        ("runtime", float("nan")),
        ("mem_mb_video", float("nan")),
    ],
)
def test_numbers_beyond_any_site_are_faults_of_the_study(key, value):
    with pytest.raises(StudyError, match=f"resources.every.{key}"):
        parse_study({"study": "x", "corpus": "v.csv", "resources": {"every": {key: value}}}, "study.yaml")


def test_threads_come_from_the_study_then_the_rule_then_the_table():
    def own(wildcards):
        return 4

    assert Needs({}, 0).threads("embed_shard", own) is own
    assert Needs({"embed_shard": Resources(threads=2)}, 0).threads("embed_shard", own) == 2
    assert Needs({}, 0).threads("transcribe_shard") == TABLE["transcribe_shard"].threads


def test_rules_that_are_no_jobs_of_the_cluster():
    assert "make_splits" in Needs({}, 0).local() and "fetch_video" not in Needs({}, 0).local()
    given = {"fetch_video": Resources(local=True), "make_splits": Resources(local=False)}
    assert "fetch_video" in Needs(given, 0).local() and "make_splits" not in Needs(given, 0).local()


@pytest.mark.parametrize(
    ("gpus", "wants", "told", "expected"),
    [
        (
            0,
            True,
            {"gpu_partition": "gpu", "slurm_partition": "main"},
            {"gpu": 0, "cards": 0, "slurm_partition": "main"},
        ),
        (
            4,
            False,
            {"gpu_partition": "gpu", "slurm_partition": "main"},
            {"gpu": 0, "cards": 0, "slurm_partition": "main"},
        ),
        (4, True, {"gpu_partition": "gpu"}, {"gpu": 1, "cards": 1, "slurm_partition": "gpu"}),
        (4, True, {"gpu_type": "a100"}, {"gpu": 1, "cards": 1, "gpu_model": "a100"}),
        (4, False, {"gpu_type": "a100"}, {"gpu": 0, "cards": 0, "gpu_model": ""}),
        (4, True, {"gpu_gres": "gpu:a100:1"}, {"gpu": 0, "cards": 1, "gres": "gpu:a100:1"}),
        (4, True, {}, {"gpu": 1, "cards": 1}),
    ],
)
def test_what_jobs_on_cards_get_from_the_profile(gpus, wants, told, expected):
    needs = Needs({}, gpus, told)("embed_shard", gpu=lambda wildcards: wants)
    assert {name: asked(needs, name) for name in needs if name not in ("mem_mb", "runtime")} == expected


def test_the_profiles_words_are_read_as_snakemake_keeps_them():
    from snakemake.resources import Resources as Given

    kept = Given.parse(["gpu_gres=gpu:a100:1", "slurm_partition=main", "mem_mb=600"], allow_expressions=True)
    assert site(kept) == {"gpu_gres": "gpu:a100:1", "slurm_partition": "main"} and site(None) == {}
    quoted = Given.parse(["slurm_partition='all'", 'gpu_partition="input"'], allow_expressions=True)
    assert site(quoted) == {"slurm_partition": "all", "gpu_partition": "input"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["gpu_type=a100", "gpu_gres=gpu:1"], "write gpu_gres: gpu:a100:1 alone, or gpu_type alone"),
        (["gpu_type=a100-sxm4-80gb"], "gpu_type: a100-sxm4-80gb: the executor takes letters"),
    ],
)
def test_what_no_job_on_a_card_could_be_submitted_with_ends_the_run_before_any(given, told, capsys):
    from snakemake.resources import Resources as Given

    with pytest.raises(SystemExit):
        site_or_exit(Given.parse(given, allow_expressions=True))
    assert "Nothing was run" in (said := capsys.readouterr().err) and told in said
    assert site_or_exit(Given.parse(["gpu_type=2080ti"], allow_expressions=True)) == {"gpu_type": "2080ti"}


@pytest.mark.parametrize("kind", ["a100", "2080ti", "1g.10gb", "a100_3g.20gb", "a100-sxm4-80gb", "rtx 6000", "a+"])
def test_a_kind_of_card_is_what_the_executor_takes(kind):
    from snakemake_executor_plugin_slurm.utils import WorkflowError, set_gres_string

    job = SimpleNamespace(resources={"gpu": 1, "gpu_model": kind})
    if KIND.fullmatch(kind):
        assert set_gres_string(job) == f" --gpus={kind}:1"
    else:
        with pytest.raises(WorkflowError):
            set_gres_string(job)


def test_a_job_a_video_is_told_before_a_run_on_a_cluster():
    shards = {str(n): [f"v{n}.{m}" for m in range(100)] for n in range(25)}
    told = "unit: video makes {} jobs of the media stages; `unit: shard` in the study makes {}"
    assert notice("video", shards) == told.format(7500, 75)
    # A download is a job more, of the video or of its shard.
    assert notice("video", shards, {"v0.1", "v0.2", "v3.4"}) == told.format(7503, 77)
    assert notice("shard", shards) is None and notice("video", {"0": ["a"], "1": ["b"]}) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--cores", "2", "--jobs", "4"], False),
        (["--jobs", "4"], False),
        (["--executor", "slurm", "--jobs", "4"], True),
        (["--executor", "slurm-jobstep", "--mode", "remote", "--jobs", "1"], True),
    ],
)
def test_a_run_on_a_cluster_is_known_while_the_snakefile_is_read(words, expected, tmp_path):
    (tmp_path / "Snakefile").write_text(
        "from triptych.core.resources import on_cluster\nprint('CLUSTER', on_cluster(workflow))\nrule all:\n"
    )
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", str(tmp_path), *words]
    settings = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    ran = subprocess.run(command, env=settings, cwd=tmp_path, capture_output=True, text=True)
    assert f"CLUSTER {expected}" in ran.stdout, ran.stdout + ran.stderr


def test_a_mistyped_rule_is_a_fault_with_the_nearest_name():
    with pytest.raises(StudyError) as told:
        parse_study({"study": "x", "corpus": "v.csv", "resources": {"embed_shards": {"mem_mb": 900}}}, "study.yaml")
    assert "there is no rule 'embed_shards'; did you mean 'embed_shard'?" in str(told.value)
    with pytest.raises(StudyError, match="mem_mb"):
        parse_study({"study": "x", "corpus": "v.csv", "resources": {"every": {"mem_mb": 300}}}, "study.yaml")
