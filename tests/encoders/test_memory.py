"""What a job of an encoder declares to need."""

from triptych.encoders import base


def test_larger_weights_declare_more(tmp_path):
    assert base.memory_mb({"use": "classic-image"}) == base.find("classic-image").card.memory_mb
    for name, megabytes in (("small", 1), ("large", 900)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        with (folder / "model.bin").open("wb") as handle:  # a hole in the file: nothing is written
            handle.truncate(megabytes << 20)
    small, large = (base.memory_mb({"use": "clip", "model": str(tmp_path / name)}) for name in ("small", "large"))
    assert small == base.find("clip").card.memory_mb and large == 2000 + 3 * 900
