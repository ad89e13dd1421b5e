"""Study file and table together: every fault of both in one list, before any job.

The Snakefile and `triptych check` share it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.commands.check_columns import answer_faults, column_fault, modalities, relabel_faults, text_faults
from triptych.core.cells import count
from triptych.core.config import Metadata, Relabelled, Study, Task, unwritable
from triptych.core.config.grid import expand
from triptych.core.corpus import Corpus, CorpusError, read_corpus
from triptych.core.files import read_text
from triptych.core.paths import Paths
from triptych.core.remainder import Remainder, remainder
from triptych.core.study import MOST_BYTES, StudyError, Unbounded, parse_study, read_yaml

#: Most rows that a note names.
NAMED = 5


class CheckError(ValueError):
    """A study that cannot run; `faults` lists all, each with its file."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__(f"{len(faults)} fault{'s' if len(faults) != 1 else ''}\n" + "\n".join(faults))


@dataclass(frozen=True)
class Checked:
    """A study without faults, its table, and what is odd in them."""

    study: Study
    corpus: Corpus
    notes: list[str]


def load(
    config: dict[str, Any], files: Iterable[Path | str] = (), *, quick: bool = False, installed: bool = True
) -> Checked:
    """Check a merged configuration and the table that it names.

    Args:
        config: the configuration as Snakemake or YAML gives it.
        files: the study files that it was read from; a key given twice is told of each.
        quick: only read both, as the jobs of a run that was checked do.
        installed: packages of encoders must be importable here, not in environments of the jobs' own.

    Raises:
        CheckError: with every fault of the study file, of the table, and of the two together.
    """
    files = [Path(one) for one in files]
    place = str(files[-1]) if files else "config"
    faults: list[str] = []
    if not quick:
        for path in files:
            try:
                read_yaml(path)
            except Unbounded as error:
                raise CheckError(_placed(path, error.faults)) from error
            except StudyError as error:
                faults += _placed(path, error.faults)
    study = corpus = None
    try:
        study = parse_study(config, place)
    except StudyError as error:
        faults += _placed(place, error.faults)
    left = Remainder(study)
    if study is None and isinstance(config, dict):
        left = remainder(config)
        faults += _placed(place, [line for line in left.faults if f"  {place}: {line}" not in faults])
    table = study.corpus if study else config.get("corpus") if isinstance(config, dict) else None
    if isinstance(table, str) and table and not unwritable(table):
        try:
            corpus = read_corpus(table)
        except CorpusError as error:
            faults += _placed(table, error.faults)
    notes: list[str] = []
    if left.study and not quick:
        alone = check_study_alone(left.study, installed)
        together, notes = check_study(left.study, corpus) if corpus else ([], [])
        faults += _placed(place, expand(config).once(left.own(alone + together)))
    if faults or study is None or corpus is None:
        raise CheckError(faults)
    return Checked(study, corpus, [*corpus.notes, *notes])


def load_file(path: Path | str, *, quick: bool = False) -> Checked:
    """`load` of one study file.

    Raises:
        CheckError: as `load`, and when the file cannot be read.
    """
    try:
        config = read_yaml(path)
    except StudyError as error:
        faults = _placed(path, error.faults)
        if not Path(path).exists():
            faults = [f"  {path}: there is no such study file; name one with --configfile"]
        config = None if isinstance(error, Unbounded) else _as_snakemake_reads(path)
        if config is None:
            raise CheckError(faults) from error
    return load(config, [path], quick=quick)


def _as_snakemake_reads(path: Path | str) -> dict[str, Any] | None:
    """A study file in which the last of two equal keys wins: to tell its other faults too. None when it cannot."""
    import yaml

    try:
        found = yaml.safe_load(read_text(path, MOST_BYTES, "utf-8-sig"))
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def load_or_exit(
    config: dict[str, Any], files: Iterable[Path | str] = (), *, quick: bool = False, installed: bool = True
) -> tuple[Study, Corpus]:
    """`load` for the Snakefile: faults go to the terminal, and Snakemake stops without a traceback."""
    try:
        checked = load(config, files, quick=quick, installed=installed)
    except CheckError as error:
        print(f"Nothing was run: {error}", file=sys.stderr)
        sys.exit(1)
    return checked.study, checked.corpus


def _placed(path: Path | str, faults: list[str]) -> list[str]:
    # What brings missing weights takes the study file.
    return [f"  {path}: {fault}".replace("--fetch CONFIG", f"--fetch {path}") for fault in faults]


def check_study_alone(study: Study, installed: bool = True) -> list[str]:
    """Faults of a valid study file that need the parts of the package: encoders, heads, files that it names."""
    from triptych.encoders.faults import feature_faults
    from triptych.encoders.faults import validate as validate_encoder
    from triptych.learn.networks import checkpoint
    from triptych.learn.networks.params import study_faults
    from triptych.learn.params import validate
    from triptych.speech import base as speech

    encoders = {name: encoder.model_dump() for name, encoder in study.encoders.items()}
    faults = []
    for name, encoder in encoders.items():
        frames = study.keyframes
        faults += validate_encoder(name, encoder, frames.short_side, frames.uniform, installed=installed)
    faults += feature_faults(
        {name: feature.model_dump(by_alias=True) for name, feature in study.features.items()}, encoders
    )
    for name, model in study.models.items():
        faults += validate(model, name)
    faults += study_faults(study.models, study.tasks, installed)
    faults += checkpoint.faults(study, installed)
    faults += _relabel_faults(study, encoders)
    faults += _mapping_faults(study)
    faults += _crossmodal_faults(study, encoders, installed)
    if study.fetch.cookies and not Path(study.fetch.cookies).is_file():
        faults.append(f"fetch.cookies: there is no file {study.fetch.cookies!r}")
    for name, source in study.transcripts.items():
        faults += speech.validate(name, source.model_dump(), installed=installed)
    return faults


def check_study(study: Study, corpus: Corpus) -> tuple[list[str], list[str]]:
    """What does not fit between a study and its table.

    Returns:
        Faults, and notes on what is odd and no fault (sources that are not there, unlabelled rows).
    """
    faults = [*text_faults(study, corpus), *answer_faults(study), *relabel_faults(study, corpus)]
    found, notes = _task_faults(study, corpus)
    faults += found
    if study.min_ok_fraction > 0 and not any(row.source for row in corpus.rows) and _needs_media(study):
        faults.append("corpus: no row has a source, but encoders of the study read pictures or sound")
    return faults, [*_notes(study, corpus), *notes]


def _needs_media(study: Study) -> bool:
    return any(modality != "text" for modality in modalities(study).values())


def _relabel_faults(study: Study, encoders: dict[str, Any]) -> list[str]:
    """Faults of zero-shot labels: their models, filled sheets, and models that would only learn the labeller."""
    from triptych.learn import lineage, relabel_nli, relabel_similarity

    faults = []
    for name, section in study.relabel.items():
        nli = section.use == "nli"
        found = relabel_nli.faults(section) if nli else relabel_similarity.faults(section, encoders)
        faults += [f"relabel.{name}.{one}" for one in found]
        if section.checked:
            if Path(section.checked).resolve() == Path(Paths.of(study).sheet(name)).resolve():
                faults.append(f"relabel.{name}.checked: this sheet is written anew by runs; fill in a copy of it")
            elif not Path(section.checked).is_file():
                faults.append(f"relabel.{name}.checked: there is no file {section.checked!r}")
    return faults + lineage.faults(study.model_dump(by_alias=True, mode="json"))


def _mapping_faults(study: Study) -> list[str]:
    """Faults of features that are mapped to one another."""
    from triptych.crossmodal import mapping

    pools = {name: feature.pool for name, feature in study.features.items()}
    return [fault for name, section in study.mapping.items() for fault in mapping.faults(name, section, pools)]


def _crossmodal_faults(study: Study, encoders: dict[str, Any], installed: bool) -> list[str]:
    """Faults of summaries, of pictures held against words, and of imagined pictures."""
    from triptych.crossmodal import imagine, match, seq2seq

    faults = []
    for name, section in study.summaries.items():
        faults += [f"summaries.{name}.{one}" for one in seq2seq.faults(section, installed)]
    for name, section in study.match.items():
        faults += [f"match.{name}.{one}" for one in match.faults(section, encoders)]
    for name, section in study.imagine.items():
        faults += [f"imagine.{name}.{one}" for one in imagine.faults(section, encoders, installed)]
    return faults


def _task_faults(study: Study, corpus: Corpus) -> tuple[list[str], list[str]]:
    """What keeps tasks from being learned, and what is odd about their labels."""
    faults: list[str] = []
    notes: list[str] = []
    rows: list[dict[str, Any]] = []
    for name, task in study.tasks.items():
        before = len(faults)
        for place, source in (("label", task.label), ("group", task.group)):
            if isinstance(source, Metadata):
                if not any(row.is_url for row in corpus.rows):
                    faults.append(
                        f"tasks.{name}.{place}: platform metadata come with downloads, but the table has no URLs"
                    )
            elif isinstance(source, str) and not (place == "group" and source == "none"):
                faults += column_fault(f"tasks.{name}.{place}", source, corpus)
        if task.folds == "predefined":
            faults += column_fault(f"tasks.{name}.folds", "fold", corpus)
        for column in {one for one in (task.label, task.group) if isinstance(one, str)}:
            odd = [row for row in corpus.rows if not row.fields.get(column, "").isprintable()]
            faults += [
                f"tasks.{name}: line {row.line}: {column} {row.fields[column]!r} holds a line break or another "
                "character that does not print"
                for row in odd
            ]
        # What a job finds out is not known here.
        later = isinstance(task.label, (Metadata, Relabelled)) or isinstance(task.group, Metadata)
        if len(faults) == before and not later:
            from triptych.learn.splits import SplitError
            from triptych.learn.tasks import TaskError, resolve

            rows = rows or [{"slug": row.slug, "line": row.line, "fields": row.fields} for row in corpus.rows]
            try:
                found = resolve(name, task, rows, {})
                labels = found.labelled()
                notes += found.notes
                faults += _decision_faults(study, name, len(labels.classes))
                _held_against_splits(labels, task, Paths.of(study).splits(name))
            except TaskError as error:
                faults.append(f"tasks.{name}: {str(error).removeprefix(f'task {name!r}: ')}")
            except SplitError as error:
                faults.append(f"tasks.{name}: {error}")
    return faults, notes


def _decision_faults(study: Study, task: str, classes: int) -> list[str]:
    """Models that would decide more labels a video than the task has."""
    return [
        f"models.{name}.decide.k: {model.decide.k} labels a video, but task {task!r} has {classes} classes"
        for name, model in study.models_of(task).items()
        if model.decide.k is not None and model.decide.k > classes
    ]


def _held_against_splits(labels: Any, task: Task, path: str) -> None:
    """Whether the split file of a task, where there is one, still fits the labelled videos.

    Raises:
        SplitError: as the job that extends the file would.
    """
    from triptych.learn import splits

    before = splits.read_splits(path)
    if before:
        splits.extend(before, labels, task, path)


def _notes(study: Study, corpus: Corpus) -> list[str]:
    notes = []
    local = [row for row in corpus.rows if row.source and not row.is_url]
    missing = [row for row in local if not _is_file(corpus, row.source)]
    if missing:
        notes.append(
            f"{len(missing)} of {len(local)} local sources are not there ({_named(missing)}): "
            "these videos will be `failed: missing_source`"
        )
    captions = [row for row in corpus.rows if row.captions]
    bare = [row for row in captions if not _is_file(corpus, row.captions)]
    if bare:
        notes.append(f"{len(bare)} of {len(captions)} caption files are not there ({_named(bare)})")
    silent = [row for row in corpus.rows if not row.source]
    if silent:
        notes.append(f"{count(len(silent), 'row')} without a source ({_named(silent)}): text alone")
    converted = [row for row in corpus.rows if row.slug != row.id]
    if converted:
        first = converted[0]
        changed = f"{first.id!r} to {first.slug!r}"
        notes.append(f"{count(len(converted), 'id')} changed for file names, such as {changed}")
    from triptych.learn import lineage

    notes += lineage.remarks(study.model_dump(by_alias=True, mode="json"))
    for name, task in study.tasks.items():
        if isinstance(task.label, str) and task.label in corpus.columns:
            empty = sum(not row.fields[task.label].strip() for row in corpus.rows)
            if empty:
                notes.append(f"task {name}: {empty} of {len(corpus.rows)} rows unlabelled; they will be predicted")
        if task.group == "none":
            notes.append(f"task {name}: no groups; videos of one origin may lie on both sides of a split")
    return notes


def _is_file(corpus: Corpus, given: str) -> bool:
    return os.path.isfile(os.path.join(corpus.folder, given))  # noqa: PTH113, PTH118 - many rows


def _named(rows: list) -> str:
    return ", ".join(f"line {row.line}: {row.slug}" for row in rows[:NAMED]) + (", ..." if len(rows) > NAMED else "")
