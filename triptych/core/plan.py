"""Which files a study leads to: what the rules ask for, as lists of paths. Knows names only, computes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property

from triptych.core import retry, rows
from triptych.core.config import LabelColumn, Metadata, Relabelled, Study
from triptych.core.corpus import Corpus, Row
from triptych.core.files import digest_bytes
from triptych.core.paths import Paths
from triptych.core.units import by_shard


class Plan:
    """The targets and inputs of a study's rules.

    Args:
        study: the study file.
        corpus: the table of videos.
    """

    def __init__(self, study: Study, corpus: Corpus) -> None:
        self.study, self.corpus, self.paths = study, corpus, Paths.of(study)
        self.rows: dict[str, Row] = corpus.by_slug
        self.shards = by_shard(self.rows, study.shards)

    @property
    def per_shard(self) -> bool:
        """Whether the media stages run one job a shard."""
        return self.study.unit == "shard"

    # Units of the media stages: `unit` is a video's slug or a shard's name.

    @cached_property
    def units(self) -> list[str]:
        """Units of the media stages."""
        return list(self.shards) if self.per_shard else sorted(self.rows)

    def members(self, unit: str) -> list[str]:
        """The videos of a unit."""
        return self.shards[unit] if self.per_shard else [unit]

    def stage(self, stage: str, unit: str) -> str:
        """The declared output of a media stage for a unit; `{unit}` gives the pattern of a rule."""
        named = self.paths.shard_manifest if self.per_shard else self.paths.manifest
        return named(stage, unit)

    @cached_property
    def _retries(self) -> dict[str, int]:
        return retry.counts(self.paths)

    def retry(self, stage: str, unit: str) -> int:
        """How often another attempt at a unit of a media stage was asked for: its job runs when this changes."""
        return self._retries.get(f"{stage}/shards/{unit}" if self.per_shard else f"{stage}/{unit}", 0)

    def manifests(self, stage: str, videos: list[str] | None = None) -> list[str]:
        """The manifests of a media stage that hold these videos (all by default)."""
        if videos is None:
            return [self.stage(stage, unit) for unit in self.units]
        if not self.per_shard:
            return [self.stage(stage, video) for video in videos]
        return [self.stage(stage, shard) for shard in sorted({self._shard[video] for video in videos})]

    @cached_property
    def _shard(self) -> dict[str, str]:
        """Video -> name of its shard."""
        return {video: shard for shard, members in self.shards.items() for video in members}

    def sources(self, unit: str) -> list[str]:
        """What the probe of a unit reads: local files that are there, and the manifests of downloads.

        A missing local file is data (`failed: missing_source`), so it is no input: Snakemake would stop for it.
        """
        found = self.fetches(unit)
        for video in self.members(unit):
            row = self.rows[video]
            given = "" if row.is_url else row.source
            if given and plain(path := self.near(given)) and os.path.isfile(path):  # noqa: PTH113 - many
                found.append(path)
        return found

    def source_words(self, unit: str) -> list[tuple[str, str]]:
        """Slug and source, as the table gives it, of the videos of a unit: what the probe depends on beside files."""
        return [(video, self.rows[video].source) for video in self.members(unit)]

    def braced(self, videos: Iterable[str]) -> list[list[str | int]]:
        """Local files with braces in their paths: Snakemake takes braces for wildcards, so they are no inputs.

        Their sizes and times stand in `params` instead, and a change is seen all the same.
        """
        found: list[list[str | int]] = []
        for video in videos:
            row = self.rows[video]
            for given in (row.captions, "" if row.is_url else row.source):
                path = self.near(given) if given else ""
                if not plain(path) and os.path.isfile(path):  # noqa: PTH113
                    known = os.stat(path)  # noqa: PTH116
                    found.append([path, known.st_size, known.st_mtime_ns])
        return found

    def near(self, given: str) -> str:
        """A path of the table as seen from the working folder: relative where both are, so that a project may move."""
        return os.path.normpath(os.path.join(os.path.dirname(self.study.corpus), given))  # noqa: PTH118, PTH120

    # Downloads: a unit's job fetches the URLs among its rows, one after the other.

    def urls(self, unit: str) -> list[tuple[str, str]]:
        """Slug and URL of the videos of a unit that are downloaded."""
        return [(video, row.source) for video in self.members(unit) if (row := self.rows[video]).is_url]

    def fetches(self, unit: str | None = None) -> list[str]:
        """The manifests of the downloads of a unit, or of all: none where nothing is downloaded."""
        units = self.units if unit is None else [unit]
        return [self.stage("fetch", one) for one in units if self._downloads(one)]

    def dropped_sources(self) -> list[str]:
        """Marks of downloads that are removed once decoded, with `keep_sources: false`."""
        if self.study.fetch.keep_sources:
            return []
        return [self.dropped(unit) for unit in self.units if self._downloads(unit)]

    def dropped(self, unit: str) -> str:
        """The mark of a unit whose downloads were removed; `{unit}` gives the pattern of a rule."""
        folder = f"{self.paths.root}/fetch/dropped"
        return f"{folder}/shards/{unit}.json" if self.per_shard else f"{folder}/{unit}.json"

    def media(self) -> list[str]:
        """What stands for the media stages of all units.

        Where downloads are removed that mark alone, which follows the others: a batch of these (`--batch media=1/9`)
        then downloads, decodes and removes its units, in place of downloading all before anything is removed.
        """
        dropped = self.dropped_sources()
        units = self.units if not dropped else [unit for unit in self.units if not self._downloads(unit)]
        return dropped + [self.stage(stage, unit) for stage in ("audio", "keyframes") for unit in units]

    def _downloads(self, unit: str) -> bool:
        return any(self.rows[video].is_url for video in self.members(unit))

    # Shards.

    def table_digest(self, shard: str, columns: list[str]) -> str:
        """Digest of exactly these columns of the rows of a shard: the `params` of a shard job."""
        return rows.digest((self.rows[video] for video in self.shards[shard]), columns)

    def caption_inputs(self, shard: str) -> list[str]:
        """What the captions of a shard are read from: files of the table, and manifests of downloads."""
        found = {}
        for video in self.shards[shard]:
            row = self.rows[video]
            if row.captions and plain(path := self.near(row.captions)) and os.path.isfile(path):  # noqa: PTH113 - many
                found[path] = None
            elif row.is_url:
                found[self.stage("fetch", shard if self.per_shard else video)] = None
        return list(found)

    def transcripts(self, source: str) -> list[str]:
        """Transcript files of a source, or of `text`, the resolved one; none without sources."""
        if not self.study.transcripts:
            return []
        return [self.paths.transcripts(source, shard) for shard in self.shards]

    def resolved(self, shard: str) -> list[str]:
        """The transcripts of each source of what is said for a shard, in the order in which they are tried."""
        return [self.paths.transcripts(source, shard) for source in self.study.spoken]

    def embeddings(self, encoder: str) -> list[str]:
        """Embedding files of an encoder."""
        return [self.paths.embeddings(encoder, shard) for shard in self.shards]

    # Tasks and models.

    def text_columns(self, fields: list[str]) -> list[str]:
        """The columns of the table among text fields."""
        return [field for field in fields if not self.is_file(field)]

    def is_file(self, field: str) -> bool:
        """Whether a text field lies in files of its own (transcripts, summaries): it is no column of the table."""
        return field == "transcript" or field in self.study.transcripts or field in self.study.summaries

    def texts(self, fields: list[str], shard: str | None = None) -> dict[str, list[str]]:
        """Files (of one shard, or of all) of the text fields that are no columns, by field."""
        shards = self.shards if shard is None else [shard]
        return {
            field: [self.paths.text(field, one, self.study.summaries) for one in shards]
            for field in fields
            if self.is_file(field)
        }

    def summaries(self, name: str) -> list[str]:
        """Files of a summary."""
        return [self.paths.summary(name, shard) for shard in self.shards]

    def task_columns(self, task: str) -> list[str]:
        """The columns that labels, groups and folds of a task are read from."""
        cfg = self.study.tasks[task]
        columns = [cfg.label, cfg.group if cfg.group != "none" else None]
        columns += ["fold"] if cfg.folds == "predefined" else []
        return [column for column in columns if isinstance(column, str)]

    def task_metadata(self, task: str) -> list[str]:
        """Manifests that labels or groups of a task are read from, when they come from platform metadata."""
        cfg = self.study.tasks[task]
        if isinstance(cfg.label, Metadata) or isinstance(cfg.group, Metadata):
            return self.fetches()
        return []

    def duplicate_pairs(self) -> list[str]:
        """The table of near-duplicates; none when nothing is asked for."""
        section = self.study.duplicates
        return [self.paths.duplicates] if section.use or section.features else []

    def task_pairs(self, task: str) -> list[str]:
        """The near-duplicates that the splits of a task look at."""
        return self.duplicate_pairs() if self.study.tasks[task].duplicates == "refuse" else []

    def task_relabel(self, task: str) -> list[str]:
        """The zero-shot labels that a task takes."""
        label = self.study.tasks[task].label
        return [self.paths.relabelled(label.relabel)] if isinstance(label, Relabelled) else []

    def relabel_inputs(self, name: str) -> list[str]:
        """What zero-shot labels are made from: transcripts, or embeddings."""
        section = self.study.relabel[name]
        if section.use == "similarity":
            return self.embeddings(section.encoder)
        return [path for files in self.texts(section.fields).values() for path in files]

    def relabel_columns(self, name: str) -> list[str]:
        """The columns that zero-shot labels are made from: text fields, and the one that names the classes."""
        section = self.study.relabel[name]
        columns = self.text_columns(section.fields) if section.use == "nli" else []
        named = [section.labels.column] if isinstance(section.labels, LabelColumn) else []
        return list(dict.fromkeys([*columns, *named]))

    def relabel_reviews(self) -> list[str]:
        """What the report reads of zero-shot labels."""
        found = []
        for name, section in self.study.relabel.items():
            found += [self.paths.relabelled(name), self.paths.sheet(name)]
            found += [self.paths.agreement(name, suffix) for suffix in ("json", "svg") if section.against]
            found += [self.paths.checked(name)] if section.checked else []
        return found

    def crossmodal_mapping(self) -> list[str]:
        """What the report reads of features mapped to one another."""
        return [self.paths.mapping(name, suffix) for name in self.study.mapping for suffix in ("csv", "json", "svg")]

    def crossmodal_match(self) -> list[str]:
        """What the report reads of pictures held against words, and of imagined pictures."""
        found = [self.paths.match(name, suffix) for name in self.study.match for suffix in ("json", "svg")]
        found += [self.paths.imagined_scores(name, one) for name in self.study.imagine for one in ("json", "svg")]
        return found

    def imagined(self, name: str) -> list[str]:
        """Files of imagined pictures."""
        return [self.paths.imagined(name, shard) for shard in self.shards]

    def painted(self, name: str, shard: str) -> list[str]:
        """The videos of a shard that are painted: all, or those among the first by a hash of their names."""
        most = self.study.imagine[name].videos
        chosen = set(self.rows) if most is None else set(sorted(self.rows, key=_hashed)[:most])
        return [video for video in self.shards[shard] if video in chosen]

    def table_digest_all(self, columns: list[str]) -> str:
        """Digest of these columns of all rows: for jobs that stand for the whole table."""
        return rows.digest(self.rows.values(), columns)

    def fused(self, task: str) -> list[str]:
        """Models of a task that read other models' predictions: late fusions, and choices."""
        return [name for name, model in self.study.models_of(task).items() if model.reads_members]

    def choices(self, task: str) -> list[str]:
        """Models of a task that are choices among others."""
        return [name for name, model in self.study.models_of(task).items() if model.select]

    def selections(self, task: str, model: str) -> list[str]:
        """What must be written before a model is scored: what it took, and choices that may take it or a member."""
        models = self.study.models_of(task)
        told = {model, *models[model].members}
        return [self.paths.selection(task, one) for one in self.choices(task) if told & {one, *models[one].select}]

    def all_selections(self, task: str) -> list[str]:
        """What all choices of a task took: before anything that tells scores of all models."""
        return [self.paths.selection(task, one) for one in self.choices(task)]

    def looking(self, task: str) -> list[str]:
        """Models of a task that look at videos: all but the baselines."""
        return [name for name, model in self.study.models_of(task).items() if model.head not in ("majority", "prior")]

    def curves(self) -> list[str]:
        """Learning curves that are asked for, a picture and its numbers each."""
        wanted = self.study.evaluate.curves
        pairs = [(task, name) for task in self.study.tasks for name in self.study.models_of(task) if name in wanted]
        return [self.paths.curve(task, name, suffix) for task, name in pairs for suffix in ("json", "svg")]

    def hints(self) -> list[str]:
        """Hints at labels that are probably wrong, a file a task."""
        return [self.paths.hints(task) for task in self.study.tasks] if self.study.evaluate.label_hints else []

    def predictions(self, task: str) -> list[str]:
        """Predictions of all models of a task."""
        return [self.paths.predictions(task, model) for model in self.study.models_of(task)]

    def metrics(self, task: str) -> list[str]:
        """Metrics of all models of a task."""
        return [self.paths.metrics(task, model) for model in self.study.models_of(task)]


def _hashed(video: str) -> str:
    return digest_bytes(video.encode())


def plain(path: str) -> bool:
    """Whether Snakemake can have a path as an input: it takes braces for wildcards."""
    return "{" not in path and "}" not in path
