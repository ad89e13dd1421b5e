"""Where everything lies: the one place that names files. The rules use the same names as patterns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

#: Media stages, in the order in which a video passes through them.
MEDIA_STAGES = ("fetch", "probe", "audio", "keyframes")
#: Stage -> what it makes of a video beside its manifest, by the endings of the files.
ARTEFACTS = {"audio": ("mp3", "flac"), "keyframes": ("h5", "jpg")}


@dataclass(frozen=True)
class Paths:
    """The files of one study; every method gives a path as a string, relative as the study file gave its roots."""

    study: str
    results: str = "results"
    media_dir: str = "data/media"
    splits_dir: str = "data/splits"

    @classmethod
    def of(cls, study) -> Paths:
        """The paths of a `Study`."""
        return cls(study.study, study.results, study.media_dir, study.splits_dir)

    @classmethod
    def from_config(cls, config: dict) -> Paths:
        """The paths of a complete study as a mapping (what the scripts of rules have)."""
        return cls(config["study"], config["results"], config["media_dir"], config["splits_dir"])

    @property
    def root(self) -> str:
        """Folder of the study's results."""
        return f"{self.results}/{self.study}"

    @property
    def live(self) -> str:
        """Records of who works in the results now."""
        return f"{self.root}/.live"

    def media(self, video: str) -> str:
        """The download of a video, or the link to its local file."""
        return f"{self.media_dir}/{self.study}/{video}.media"

    def manifest(self, stage: str, video: str) -> str:
        """Manifest of one video at a media stage."""
        return f"{self.root}/{stage}/{video}.json"

    def shard_manifest(self, stage: str, shard: str) -> str:
        """Manifest of a shard at a media stage: its videos, and the digests of their manifests."""
        return f"{self.root}/{stage}/shards/{shard}.json"

    def attempts(self, video: str) -> str:
        """What is remembered of failed downloads; beside the results, never an input of a job."""
        return f"{self.root}/attempts/{video}.json"

    def transcripts(self, source: str, shard: str) -> str:
        """Transcripts of one source (`text` is the resolved one), one line a video."""
        return f"{self.root}/transcripts/{source}/{shard}.jsonl"

    def embeddings(self, encoder: str, shard: str) -> str:
        """Embeddings of an encoder for a shard."""
        return f"{self.root}/embeddings/{encoder}/{shard}.h5"

    def feature(self, feature: str) -> str:
        """The matrix that a classifier reads."""
        return f"{self.root}/features/{feature}.h5"

    def relabelled(self, name: str) -> str:
        """Zero-shot labels, a row a video."""
        return f"{self.root}/relabel/{name}.parquet"

    def sheet(self, name: str) -> str:
        """Samples of zero-shot labels, to be checked by hand."""
        return f"{self.root}/relabel/{name}.sheet.csv"

    def agreement(self, name: str, suffix: str) -> str:
        """Agreement of zero-shot labels with existing ones as `json`, `csv` or `svg`."""
        return f"{self.root}/relabel/{name}.agreement.{suffix}"

    def checked(self, name: str) -> str:
        """What a filled sheet tells."""
        return f"{self.root}/relabel/{name}.checked.json"

    def labels(self, task: str) -> str:
        """Labels and groups of a task, a row a video."""
        return f"{self.root}/tasks/{task}/labels.parquet"

    def splits(self, task: str) -> str:
        """The split file of a task: append-only, meant to be committed."""
        return f"{self.splits_dir}/{self.study}/{task}.csv"

    def predictions(self, task: str, model: str) -> str:
        """Predictions of a model."""
        return f"{self.root}/predictions/{task}/{model}.parquet"

    def metrics(self, task: str, model: str) -> str:
        """Metrics of a model."""
        return f"{self.root}/metrics/{task}/{model}.json"

    def confusion(self, task: str, model: str, suffix: str) -> str:
        """Confusion matrix of a model as `svg` or `csv`."""
        return f"{self.root}/confusion/{task}/{model}.{suffix}"

    def balance(self, task: str, model: str) -> str:
        """Label distribution before and after balancing, a picture."""
        return f"{self.root}/balance/{task}/{model}.svg"

    def comparison(self, task: str) -> str:
        """The comparison of a task's models."""
        return f"{self.root}/comparison/{task}.csv"

    def checkpoint(self, task: str, model: str) -> str:
        """Folder of a fine-tuned network: the one fitted on all labelled videos."""
        return f"{self.root}/checkpoints/{task}/{model}"

    def selection(self, task: str, model: str) -> str:
        """What a choice among models took in each training fold, with digests of what it read."""
        return f"{self.root}/selection/{task}/{model}.json"

    def curve(self, task: str, model: str, suffix: str) -> str:
        """Learning curve of a model as `json` or `svg`."""
        return f"{self.root}/curves/{task}/{model}.{suffix}"

    def reliability(self, task: str, model: str) -> str:
        """Reliability curve of a model, a picture."""
        return f"{self.root}/reliability/{task}/{model}.svg"

    def hints(self, task: str) -> str:
        """Labels that are probably wrong, the likeliest first."""
        return f"{self.root}/hints/{task}.csv"

    @property
    def duplicates(self) -> str:
        """Pairs of near-duplicate videos, and by what they were found."""
        return f"{self.root}/duplicates/pairs.csv"

    def refused(self, task: str) -> str:
        """Videos that a task leaves out, since near-duplicates of them lie in other folds."""
        return f"{self.root}/tasks/{task}/refused.json"

    def task_duplicates(self, task: str) -> str:
        """Near-duplicates among the labelled videos of a task: groups, labels, and what became of each pair."""
        return f"{self.root}/tasks/{task}/duplicates.csv"

    def summary(self, name: str, shard: str) -> str:
        """Short texts of a shard's videos, in the form of a transcript."""
        return f"{self.root}/summaries/{name}/{shard}.jsonl"

    def text(self, field: str, shard: str, summaries: Collection[str] = ()) -> str:
        """The file of a text field that is no column: the resolved transcript, a source's, or a summary's.

        Args:
            field: `transcript`, a source of transcripts, or a summary.
            shard: name of the shard.
            summaries: names of the study's summaries.
        """
        if field in summaries:
            return self.summary(field, shard)
        return self.transcripts("text" if field == "transcript" else field, shard)

    def mapping(self, name: str, suffix: str) -> str:
        """How well features are told from one another, as `csv`, `json` or `svg`."""
        return f"{self.root}/crossmodal/mapping/{name}.{suffix}"

    def match(self, name: str, suffix: str) -> str:
        """Pictures held against words: `json` of the scores, `csv` a row a video, `svg`, `h5` of the texts' vectors."""
        return f"{self.root}/crossmodal/match/{name}.{suffix}"

    def imagined(self, name: str, shard: str) -> str:
        """Pictures made from the words of a shard's videos, in a file of the store."""
        return f"{self.root}/crossmodal/imagine/{name}/{shard}.h5"

    def imagined_scores(self, name: str, suffix: str) -> str:
        """Imagined pictures held against keyframes: `json`, `csv`, `svg`."""
        return f"{self.root}/crossmodal/imagine/{name}.{suffix}"

    @property
    def report(self) -> str:
        """The report."""
        return f"{self.root}/report/index.html"

    @property
    def status(self) -> str:
        """What happened to each video at each stage."""
        return f"{self.root}/status.tsv"

    @property
    def history(self) -> str:
        """One line a run: config digest and metrics."""
        return f"{self.root}/history.jsonl"

    @property
    def config(self) -> str:
        """The merged configuration that the results were made with."""
        return f"{self.root}/config.yaml"

    def log(self, stage: str, unit: str) -> str:
        """Log of a job."""
        return f"{self.root}/logs/{stage}/{unit}.log"

    def benchmark(self, stage: str, unit: str) -> str:
        """Seconds and memory of a job, as Snakemake measured them."""
        return f"{self.root}/benchmarks/{stage}/{unit}.tsv"


def within(root: Path | str, path: Path | str) -> Path:
    """The resolved `path` if it lies under `root`.

    Raises:
        ValueError: when it leads outside.
    """
    resolved, base = Path(path).resolve(), Path(root).resolve()
    if not resolved.is_relative_to(base):
        raise ValueError(f"{path} leads outside {root}")
    return resolved
