"""Rows of the table for a job: read again by its script, and held against the digest that it was planned with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from triptych.core.corpus import Corpus, Row, read_corpus
from triptych.core.files import digest_json
from triptych.core.units import by_shard


class TableChanged(RuntimeError):
    """The table was edited between planning a job and running it."""


def digest(rows: Iterable[Row], columns: Iterable[str]) -> str:
    """Digest of exactly these columns of these rows, in the order of their slugs."""
    columns = list(columns)
    ordered = sorted(rows, key=lambda row: row.slug)
    return digest_json([[row.slug, *(row.fields.get(column, "") for column in columns)] for row in ordered])


def of_table(config: Mapping[str, Any], columns: Iterable[str], planned: str) -> tuple[Corpus, list[Row]]:
    """All rows, in the order of their slugs, and their table.

    Args:
        config: the complete study, as scripts have it.
        columns: what the job reads of the table.
        planned: the digest of these columns when the job was planned.

    Raises:
        TableChanged: the table was edited since.
    """
    corpus = read_corpus(config["corpus"])
    rows = sorted(corpus.rows, key=lambda row: row.slug)
    return corpus, _unchanged(rows, columns, planned, corpus)


def of_shard(config: Mapping[str, Any], shard: str, columns: Iterable[str], planned: str) -> tuple[Corpus, list[Row]]:
    """The rows of a shard, otherwise as `of_table`."""
    corpus = read_corpus(config["corpus"])
    by_slug = corpus.by_slug
    members = by_shard(by_slug, config["shards"]).get(shard, [])
    return corpus, _unchanged([by_slug[slug] for slug in members], columns, planned, corpus)


def _unchanged(rows: list[Row], columns: Iterable[str], planned: str, corpus: Corpus) -> list[Row]:
    if digest(rows, columns) != planned:
        raise TableChanged(f"{corpus.path}: the table changed while this run was under way; run snakemake again")
    return rows
