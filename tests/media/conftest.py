import pytest

from triptych.core.config import Audio, Keyframes, Limits
from triptych.core.paths import Paths
from triptych.core.status import Manifest
from triptych.media import unit


class Bench:
    """A study's folder in which media stages run on given files, as a script's job runs them."""

    def __init__(self, folder):
        self.folder = folder
        self.paths = Paths("study", str(folder / "results"), str(folder / "media"), str(folder / "splits"))
        self.params = {"probe": {}, "audio": Audio().model_dump(), "keyframes": Keyframes().model_dump()}
        self.limits = Limits(wall_seconds=60).model_dump()

    def run(self, stage, *paths, shard=None, limits=None, **params) -> Manifest | list[Manifest]:
        """Run a stage; the manifest of the file, or a list for several."""
        videos = [{"slug": slug_of(path), "source": str(path), "url": False} for path in paths]
        chosen = {**self.params[stage], **params}
        unit.run_stage(stage, videos, self.paths, chosen, {**self.limits, **(limits or {})}, shard)
        manifests = [self.manifest(stage, path) for path in paths]
        return manifests if len(manifests) > 1 else manifests[0]

    def all(self, path, **keyframes) -> tuple[Manifest, Manifest, Manifest]:
        """Probe, audio and keyframes of a file."""
        return self.run("probe", path), self.run("audio", path), self.run("keyframes", path, **keyframes)

    def manifest(self, stage, path) -> Manifest:
        return Manifest.read(self.paths.manifest(stage, slug_of(path)))

    def artefact(self, stage, path, name):
        return unit.artefact(self.paths, stage, slug_of(path), name)


def slug_of(path) -> str:
    return str(path).rsplit("/", 1)[-1].replace(".", "_")


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)
