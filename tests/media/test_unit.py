"""Units: manifests, artefacts that are made again, what is taken over, rows without a file."""

import json
import os
import types
from pathlib import Path

import pytest
from media import clips
from media.conftest import slug_of

from triptych.core.config import Study
from triptych.core.files import DamagedFile, digest_file
from triptych.core.status import Manifest, Outcome, Refused
from triptych.media import keyframes, unit


@pytest.fixture
def clip(tmp_path):
    return clips.write(tmp_path / "clip.mp4", clips.moving(50), clips.tone(2.0))


def stamps(bench):
    """Inode of every result: a file that was written again has another one."""
    return {path: path.stat().st_ino for path in sorted(Path(bench.paths.results).rglob("*.*")) if path.is_file()}


def test_manifest_names_artefacts_with_their_digests(bench, clip):
    for stage, names in (("probe", set()), ("audio", {"mp3", "flac"}), ("keyframes", {"h5", "jpg"})):
        found = bench.run(stage, clip)
        assert set(found.artefacts) == names and len(found.key) == 64
        for one in found.artefacts.values():
            path = Path(bench.paths.manifest(stage, "clip_mp4")).parent / one["path"]
            assert (path.stat().st_size, digest_file(path)) == (one["bytes"], one["sha256"])


def test_no_clock_host_or_place_in_a_manifest(bench, clip, tmp_path):
    for stage in ("probe", "audio", "keyframes"):
        bench.run(stage, clip)
        text = Path(bench.paths.manifest(stage, "clip_mp4")).read_text()
        assert str(tmp_path) not in text and os.uname().nodename not in text


def test_shard_takes_over_what_is_unchanged(bench, clip, tmp_path):
    other = clips.write(tmp_path / "other.mp4", clips.moving(20))
    for stage in ("probe", "audio", "keyframes"):
        bench.run(stage, clip, other, shard="3")
    before = stamps(bench)
    third = clips.write(tmp_path / "third.mp4", clips.moving(10))
    for stage in ("probe", "audio", "keyframes"):
        bench.run(stage, clip, other, third, shard="3")
    after = stamps(bench)
    changed = {path.name for path, inode in before.items() if after[path] != inode}
    assert changed == {"3.json"}
    told = json.loads(Path(bench.paths.shard_manifest("keyframes", "3")).read_text())
    assert told["videos"] == {
        slug: digest_file(bench.paths.manifest("keyframes", slug)) for slug in ("clip_mp4", "other_mp4", "third_mp4")
    }


def test_changed_source_params_and_damage_are_done_again(bench, clip):
    def audio(**params):
        bench.run("probe", clip)
        return bench.run("audio", clip, shard="0", **params)

    first = audio()
    assert audio(mp3_quality=9).artefacts["mp3"]["sha256"] != first.artefacts["mp3"]["sha256"]
    flac = bench.artefact("audio", clip, "flac")
    flac.write_bytes(flac.read_bytes()[:-100])
    assert audio(mp3_quality=9).artefacts["flac"] == first.artefacts["flac"]
    assert digest_file(flac) == first.artefacts["flac"]["sha256"]
    clips.write(clip, clips.moving(50, seed=5), clips.tone(1.0))
    assert audio().data["seconds"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("stage", "name", "harm"),
    [
        ("audio", "flac", "missing"),
        ("audio", "flac", "flipped"),
        ("audio", "mp3", "cut"),
        ("keyframes", "h5", "flipped"),
        ("keyframes", "h5", "empty"),
        ("keyframes", "jpg", "missing"),
    ],
)
def test_damaged_artefact_is_made_again(bench, clip, stage, name, harm):
    for one in ("probe", stage):
        bench.run(one, clip)
    path = bench.artefact(stage, clip, name)
    whole, manifest = path.read_bytes(), Path(bench.paths.manifest(stage, "clip_mp4"))
    stamp = manifest.stat().st_mtime_ns
    middle = len(whole) // 2
    harmed = {
        "empty": b"",
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
    }
    path.unlink() if harm == "missing" else path.write_bytes(harmed[harm])
    assert bench.artefact(stage, clip, name).read_bytes() == whole
    assert manifest.stat().st_mtime_ns == stamp, "a manifest that is still true is not touched"


def test_artefact_that_cannot_be_made_again_is_an_outcome(bench, clip):
    bench.run("probe", clip)
    bench.run("audio", clip)
    bench.artefact("audio", clip, "flac").unlink()
    clips.write(clip, clips.moving(50), clips.tone(1.0))
    with pytest.raises(Refused) as caught:
        bench.artefact("audio", clip, "flac")
    assert caught.value.outcome.reason == "artefact_lost"
    clip.unlink()
    with pytest.raises(Refused) as caught:
        bench.artefact("audio", clip, "flac")
    assert caught.value.outcome.reason == "artefact_lost"


@pytest.mark.parametrize("other", [{"stage": "udio"}, {"video": "another"}])
def test_the_manifest_of_another_video_or_stage_is_damaged(bench, clip, other):
    bench.run("probe", clip)
    bench.run("audio", clip)
    manifest = vars(bench.manifest("audio", clip)) | other
    target = Path(bench.paths.manifest("audio", slug_of(clip)))
    Manifest(**manifest).write(target)
    with pytest.raises(DamagedFile, match="it is that of") as caught:
        bench.artefact("audio", clip, "flac")
    assert caught.value.path == target


@pytest.mark.parametrize("made", [None, [], {"params": None}])
def test_a_manifest_that_does_not_tell_how_artefacts_were_made_is_damaged(bench, clip, made):
    bench.run("probe", clip)
    manifest = bench.run("audio", clip)
    target = Path(bench.paths.manifest("audio", slug_of(clip)))
    Manifest(**(vars(manifest) | {"data": manifest.data | {"made_with": made}})).write(target)
    target.with_suffix(".flac").unlink()
    with pytest.raises(DamagedFile, match="how its artefacts were made"):
        bench.artefact("audio", clip, "flac")


def test_artefact_of_an_absent_stage_gives_its_outcome(bench, tmp_path):
    mute = clips.write(tmp_path / "mute.mp4", clips.moving(5))
    bench.run("probe", mute)
    bench.run("audio", mute)
    with pytest.raises(Refused) as caught:
        bench.artefact("audio", mute, "flac")
    assert caught.value.outcome.reason == "no_audio"


def test_rows_without_a_file_and_downloads(bench, tmp_path):
    """A row without a source; downloads that came, that failed, and whose file has gone."""
    url = {"source": "https://example.org/v", "url": True}
    videos = [{"slug": slug, **url} for slug in ("came", "failed", "gone")]
    videos.append({"slug": "text", "source": "", "url": False})
    Manifest("came", "fetch", Outcome("ok")).write(bench.paths.manifest("fetch", "came"))
    Manifest("gone", "fetch", Outcome("ok")).write(bench.paths.manifest("fetch", "gone"))
    gone = Outcome("failed", "http_404", "not there", transient=True)
    Manifest("failed", "fetch", gone).write(bench.paths.manifest("fetch", "failed"))
    media = Path(bench.paths.media("came"))
    media.parent.mkdir(parents=True)
    clips.write(tmp_path / "x.mp4", clips.moving(5)).rename(media)
    for stage in ("probe", "audio", "keyframes"):
        outcomes = unit.run_stage(stage, videos, bench.paths, bench.params[stage], bench.limits)
        assert len(outcomes) == 4
        assert (outcomes["text"].status, outcomes["text"].reason) == ("absent", "no_source")
        assert outcomes["came"].status == ("absent" if stage == "audio" else "ok")
        assert (outcomes["failed"].status, outcomes["failed"].reason) == ("failed", "http_404")
        assert outcomes["failed"].transient and "after " in outcomes["failed"].message
        assert outcomes["gone"].reason == "missing_source"


def test_full_disk_ends_the_job_and_leaves_no_half_result(bench, clip, monkeypatch):
    """The file system refuses to write more than this process may: as a full disk does, as an error of writing."""
    import resource
    import signal

    bench.run("probe", clip)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        with pytest.raises(OSError):
            bench.run("keyframes", clip)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert not Path(bench.paths.manifest("keyframes", "clip_mp4")).exists()
    assert not list(Path(bench.paths.results).rglob("*.h5"))
    assert bench.run("keyframes", clip).outcome.ok


@pytest.mark.parametrize("kind", ["video", "shard"])
def test_rule_finds_its_videos(tmp_path, kind):
    """The job of a rule as its script has it: probe from the table's words, then from the probe's manifests."""
    (tmp_path / "corpus").mkdir()
    clips.write(tmp_path / "corpus" / "clip.mp4", clips.moving(20), clips.tone(1.0))
    study = {"study": "s", "corpus": str(tmp_path / "corpus" / "videos.csv"), "unit": kind}
    study |= {"results": str(tmp_path / "results"), "media_dir": str(tmp_path / "media")}
    config = Study.model_validate(study).model_dump(by_alias=True, mode="json")
    name = "v" if kind == "video" else "0"
    sources = [("v", "clip.mp4")] + ([("w", "")] if kind == "shard" else [])

    def snakemake(**more):
        wildcards = types.SimpleNamespace(unit=name)
        return types.SimpleNamespace(config=config, wildcards=wildcards, threads=1, **more)

    unit.run_rule("probe", snakemake(params=types.SimpleNamespace(sources=sources)))
    folder = tmp_path / "results" / "s"
    probed = folder / "probe" / ("shards/0.json" if kind == "shard" else "v.json")
    for stage in ("audio", "keyframes"):
        unit.run_rule(stage, snakemake(input=types.SimpleNamespace(probe=str(probed))))
        assert Manifest.read(folder / stage / "v.json").outcome.ok
        assert (folder / stage / "w.json").exists() == (kind == "shard")
    assert len(keyframes.read(folder / "keyframes" / "v.h5").frames) > 1
