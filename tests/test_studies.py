"""The studies in `config/` are valid, and their jobs keep to the memory that a study promises."""

import pytest
from support import CHECKOUT

from triptych.commands.check import check_study_alone
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
