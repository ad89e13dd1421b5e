"""Every encoder of sound with weights, as small models, through the real Snakefile: entries, features, and a rerun."""

import pytest
from harness import Workflow, demo_rows
from tiny import audio

from triptych.core import torchvision
from triptych.core.store import read_store

#: Array -> length of its vectors in the small models.
ARRAYS = {
    "yamnet": {"embedding": 1024, "scores": 521},
    "yamnet-litert": {"embedding": 1024, "scores": 521},
    "vggish": {"embedding": 128, "post": 128},
    "ast": {"embedding": 16, "scores": 5},
    "clap": {"embedding": 12},
    "audio-transformers": {"embedding": 16},
}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Sections of a study file."""
    torchvision.mend()
    folder = tmp_path_factory.mktemp("sound-models")
    models = {
        "ast": audio.build_ast(folder / "ast"),
        "clap": audio.build_clap(folder / "clap"),
        "audio-transformers": audio.build_wav2vec2(folder / "wav2vec2"),
        "yamnet": audio.build_yamnet(folder / "yamnet"),
        "vggish": audio.build_vggish(folder / "vggish"),
        "yamnet-litert": audio.build_yamnet_litert(folder / "litert"),
    }
    found = {use.replace("-", "_"): {"use": use, "model": str(path)} for use, path in models.items()}
    found["vggish"]["params"] = {"pca": str(audio.build_pca(folder / "vggish_pca_params.npz"))}
    return found


def test_all_encoders_of_sound_and_a_rerun_that_computes_nothing(encoders, tmp_path):
    workflow = Workflow(
        tmp_path / "run",
        demo_rows(),
        shards=1,
        gpus=0,
        encoders=encoders,
        features={"heard": {"from": "yamnet.scores", "pool": "mean"}, "post": {"from": "vggish.post", "pool": "mean"}},
        models={"sound": {"inputs": ["heard"], "head": "logistic"}},
    )
    targets = ("embeddings", "features")
    ran = workflow.run(*targets)
    assert "oneDNN" not in ran.stderr and "XNNPACK" not in ran.stderr, "native libraries keep out of the terminal"
    for name, section in encoders.items():
        entries, damaged = read_store(workflow.path("embeddings", name, "0.h5"))
        assert not damaged and len(entries) == len(workflow.rows)
        for entry in entries.values():
            lengths = {array: values.shape[1] for array, values in entry.arrays.items()}
            assert entry.outcome.ok and lengths == ARRAYS[section["use"]], (name, entry.video, entry.outcome)
            assert all((entry.times[array][:, 1] > entry.times[array][:, 0]).all() for array in lengths)
    before = workflow.snapshot("embeddings/*/*.h5", "features/*")
    assert len(before) == len(encoders) + 2 and workflow.plan(*targets) == []
    workflow.run(*targets, "--forcerun", "embed_shard")
    for name in encoders:
        told = workflow.path("logs", f"embed-{name}", "0.log").read_text()
        assert "0 to compute" in told and "4 taken_over" in told, told
    assert workflow.snapshot("embeddings/*/*.h5", "features/*") == before
