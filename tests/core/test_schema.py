"""The reference page and the JSON schema are made from the model, and agree with it."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from triptych.core import schema


def test_pages_agree_with_the_model():
    assert schema.faults() == []


def test_drift_is_named_and_mended(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(schema, "DOCS", tmp_path)
    monkeypatch.setattr("sys.argv", ["schema"])
    assert schema.main() == 1 and "make format" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["schema", "--fix"])
    assert schema.main() == 0
    page = tmp_path / "config.md"
    page.write_text(page.read_text().replace("whole number", "number", 1))
    (only,) = schema.faults()
    assert only.startswith("docs/config.md")


def test_the_schema_takes_the_demo_study_and_refuses_what_the_model_refuses(checkout):
    validator = Draft202012Validator(json.loads((checkout / "docs" / "study.schema.json").read_text()))
    Draft202012Validator.check_schema(validator.schema)
    demo = yaml.safe_load((checkout / "config.yaml").read_text())
    assert list(validator.iter_errors(demo)) == []
    for change in ({"shard": 3}, {"shards": 0}, {"keyframes": {"cuont": 3}}, {"features": {"f": {"from": "x"}}}):
        assert list(validator.iter_errors({**demo, **change})), change


def test_every_key_has_a_sentence_and_stands_on_the_page():
    page = schema.page()
    for section in [*schema._sections(), ("study", schema.Study, "")]:
        for name, field in section[1].model_fields.items():
            assert field.description, f"{section[0]}: {name} has no docstring"
            assert f"| `{section[2]}{field.alias or name}` |" in page


@pytest.mark.parametrize("line", schema.page().splitlines())
def test_tables_are_whole(line):
    if line.startswith("|"):
        assert line.replace("\\|", "").count("|") == 5
