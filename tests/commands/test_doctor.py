"""The doctor sees this machine as it is, and a broken part is a finding, not the end."""

from triptych.commands import doctor


def test_this_machine(tmp_path):
    found = {finding.what: finding for finding in doctor.examine(tmp_path / "not" / "there")}
    for what in ("python", "snakemake", "PyAV", "OpenCV", "decoder h264", "decoder av1", "encoder flac", "disk"):
        assert what in found
    assert found["python"].level == "ok" and found["encoder classic-image"].level == "ok"
    assert "clip" in found["encoder classic-audio"].told
    assert str(tmp_path) in found["disk"].told
    assert found["extra lint"].told.startswith("ruff ") and "extra yolo" in found
    assert all(finding.advice for finding in found.values() if finding.level != "ok")
    assert all(finding.told for finding in found.values())


def test_a_broken_part_is_a_finding(tmp_path, monkeypatch):
    def _encoders():
        raise ImportError("libX.so is not there")
        yield

    monkeypatch.setattr(doctor, "_encoders", _encoders)
    found = list(doctor.examine(tmp_path))
    (broken,) = [finding for finding in found if "libX.so" in finding.told]
    assert broken.level == "missing" and broken.what == "encoders"
    assert found[-1].what == "processors", "the examination went on"


def test_where_weights_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tf"))
    (tmp_path / "hub" / "models--org--name").mkdir(parents=True)
    found = {finding.what: finding for finding in doctor._weights()}
    assert found["weights, Hugging Face hub"].told == f"1 folders in {tmp_path / 'hub'}"
    assert str(tmp_path / "tf") in found["weights, TensorFlow Hub"].told
    (tmp_path / "models.lock").write_text("{")
    (damaged,) = [finding for finding in doctor._weights() if finding.level != "ok"]
    assert "models.lock is damaged" in damaged.told


def test_a_folder_that_is_not_there_stands_for_the_nearest_one_above(tmp_path, monkeypatch):
    assert doctor.standing(tmp_path / "not" / "there") == tmp_path and doctor.standing(tmp_path) == tmp_path
    monkeypatch.chdir(tmp_path)
    assert doctor.standing("results/x") == tmp_path
