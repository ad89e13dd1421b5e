"""The studies in `config/` are valid, and their jobs keep to the memory that a study promises."""

import re

import pytest
import yaml
from support import CHECKOUT

from triptych.commands.check import CheckError, check_study_alone, load
from triptych.core.study import load_study
from triptych.encoders import registry
from triptych.learn.params import validate
from triptych.speech import base as speech

STUDIES = sorted((CHECKOUT / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_only_weights_are_missing(path, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    study = load_study(path)
    other = [fault for fault in check_study_alone(study, installed=False) if "triptych models --fetch" not in fault]
    assert other == []
    for name, model in study.models.items():
        assert validate(model, name) == []


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_job_fits_into_12_gb(path):
    study = load_study(path)
    declared = {name: registry.find(encoder.use).card.memory_mb for name, encoder in study.encoders.items()}
    for name, source in study.transcripts.items():
        if source.use in speech.RECOGNISERS:
            declared[name] = speech.find(source.use).card.memory_mb
    assert declared and max(declared.values()) <= 12_000


def test_the_study_of_the_cluster_page_is_complete(monkeypatch, tmp_path):
    page = (CHECKOUT / "docs" / "cluster.md").read_text(encoding="utf-8")
    (told,) = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "study:" in block]
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    table = tmp_path / "howto.csv"
    rows = [f"v{n},https://example.org/{n}.mp4,{'cooking' if n % 2 else 'repairs'},c{n // 2}" for n in range(40)]
    table.write_text("\n".join(["id,source,topic,channel", *rows]) + "\n")
    with pytest.raises(CheckError) as checked:
        load(yaml.safe_load(told) | {"corpus": str(table)}, installed=False)
    other = [fault for fault in checked.value.faults if "triptych models --fetch" not in fault]
    assert other == [] and checked.value.faults


def test_every_run_of_the_cluster_page_goes_to_the_cluster():
    page = (CHECKOUT / "docs" / "cluster.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```text\n(.*?)```", page, re.DOTALL))
    runs = [line.strip() for line in blocks.splitlines() if line.strip().startswith("snakemake ")]
    assert len(runs) >= 4 and [line for line in runs if "--workflow-profile profiles/slurm" not in line] == []
