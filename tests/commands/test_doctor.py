"""The doctor sees this machine as it is, and a broken part is a finding, not the end."""

from triptych.commands import doctor


def test_this_machine(tmp_path):
    found = {finding.what: finding for finding in doctor.examine(tmp_path / "not" / "there")}
    for what in ("python", "snakemake", "PyAV", "OpenCV", "decoder h264", "decoder av1", "encoder flac", "disk"):
        assert what in found
    assert found["python"].level == "ok" and found["encoder classic-image"].level == "ok"
    assert "clip" in found["encoder classic-audio"].told
    assert str(tmp_path) in found["disk"].told
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
