"""A small synthetic study for the tests of this folder: table, features and texts, as the stages write them."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.core.store import write_arrays
from triptych.learn import predict, splits, tasks

TASK = {"label": "topic", "group": "film", "folds": 3}
#: A late fusion of the models of `pictures_and_sounds`.
LATE = {"fusion": "late", "members": ["picture", "sound"]}


@dataclass
class World:
    folder: Path
    rows: list[dict]
    task: dict
    features: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> Path:
        return self.folder / "labels.parquet"

    @property
    def splits(self) -> Path:
        return self.folder / "splits.csv"

    def prepare(self) -> "World":
        tasks.make_labels("topic", self.task, self.rows, self.labels)
        splits.update_splits(self.labels, self.splits, self.task)
        return self

    def slugs(self) -> list[str]:
        return sorted(row["slug"] for row in self.rows)

    def feature(self, name: str, values: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Values (n, d) in the order of the slugs."""
        mask = np.ones(len(values), dtype=bool) if mask is None else mask
        self.features[name] = self.folder / f"{name}.h5"
        index = np.frombuffer(json.dumps(self.slugs()).encode(), dtype=np.uint8)
        arrays = {"values": values.astype(np.float32), "mask": mask, "index": index}
        write_arrays(self.features[name], arrays, {"feature": name})

    def run(self, name: str, model: dict, **options) -> dict:
        """Rows of the predictions, by (role, repeat, outer, video)."""
        out = self.folder / f"{name}.parquet"
        if "members" in model:
            options["members"] = {member: self.folder / f"{member}.parquet" for member in model["members"]}
        if model.get("text"):
            options["fields"] = {column: self.texts for column in model["text"]}
        self.summary = predict.run_model(
            name,
            model,
            self.task,
            labels=self.labels,
            splits=self.splits,
            features={one: self.features[one] for one in model.get("inputs", [])},
            out=out,
            **options,
        )
        return read(out)


def read(path) -> dict:
    """(role, repeat, outer, video) -> {class: row}."""
    found: dict = {}
    for row in pq.read_table(path).to_pylist():
        found.setdefault((row["role"], row["repeat"], row["outer"], row["video"]), {})[row["class"]] = row
    return found


def accuracy(found: dict, role: str = "test", covered: bool | None = None) -> float:
    hits = [
        all(row["decision"] == row["truth"] for row in rows.values())
        for key, rows in found.items()
        if key[0] == role and (covered is None or next(iter(rows.values()))["covered"] is covered)
    ]
    return float(np.mean(hits))


def table(per_class: dict[str, list[int]], unlabelled: int = 0, **fields) -> list[dict]:
    """Rows: class -> sizes of its groups."""
    rows = []
    for label, sizes in per_class.items():
        for number, size in enumerate(sizes):
            for _ in range(size):
                rows.append((label, f"{label}-{number}"))
    rows += [("", "") for _ in range(unlabelled)]
    return [
        {"slug": f"v{index:04d}", "line": index + 2, "fields": {"topic": label, "film": group, **fields}}
        for index, (label, group) in enumerate(rows)
    ]


def planted(rows: list[dict], width: int, strength: float, seed: int, column: str = "topic") -> np.ndarray:
    """Features in which the classes lie apart."""
    random = np.random.default_rng(seed)
    names = sorted({row["fields"][column] for row in rows})
    centres = random.normal(size=(len(names), width)) * strength
    ordered = sorted(rows, key=lambda row: row["slug"])
    return np.stack([centres[names.index(row["fields"][column])] for row in ordered]) + random.normal(
        size=(len(rows), width)
    )


def pictures_and_sounds(tmp_path, unlabelled=0, **changes) -> World:
    """Pictures tell a and b from c and d, sounds a and c from b and d; some videos have one of both only."""
    rows = table({name: [3] * 8 for name in "abcd"}, unlabelled)
    for row in rows:
        label = row["fields"]["topic"] or "a"
        row["fields"]["look"], row["fields"]["noise"] = str("ab".find(label) >= 0), str("ac".find(label) >= 0)
    one = World(tmp_path, rows, {**TASK, **changes}).prepare()
    count = np.arange(len(rows))
    one.feature("seen", planted(rows, 10, 2.0, 1, "look"), count % 7 != 0)
    one.feature("heard", planted(rows, 6, 2.0, 2, "noise"), count % 5 != 0)
    one.run("picture", {"inputs": ["seen"], "head": "svc"}, inner=3)
    one.run("sound", {"inputs": ["heard"], "head": "logistic"}, inner=3)
    return one


def rewrite(path, change) -> None:
    """A predictions file with its rows changed."""
    rows = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist(change(rows), schema=pq.read_schema(path)), path)
