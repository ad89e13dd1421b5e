"""Features, labels and splits of a small study, as the stages write them."""

import json

import numpy as np

from triptych.core.store import write_arrays
from triptych.crossmodal.mapping import run_mapping
from triptych.learn import splits, tasks

TASK = {"label": "topic", "group": "film", "folds": 3}


class World:
    """`films` films of `clips` clips in two classes; features are added by name."""

    def __init__(self, folder, films=30, clips=2, task=None):
        self.folder, self.task = folder, {**TASK, **(task or {})}
        self.rows = [
            {"slug": f"v{film:03d}-{clip}", "fields": {"topic": "ab"[film % 2], "film": f"f{film:03d}"}}
            for film in range(films)
            for clip in range(clips)
        ]
        self.films = np.repeat(np.arange(films), clips)
        tasks.make_labels("topic", self.task, self.rows, folder / "labels.parquet")
        splits.update_splits(folder / "labels.parquet", folder / "splits.csv", self.task)

    def __len__(self):
        return len(self.rows)

    def feature(self, name, values, mask=None):
        slugs = [row["slug"] for row in self.rows]
        mask = np.ones(len(slugs), dtype=bool) if mask is None else mask
        index = np.frombuffer(json.dumps(slugs).encode(), dtype=np.uint8)
        arrays = {"values": np.asarray(values, np.float32), "mask": mask, "index": index}
        write_arrays(self.folder / f"{name}.h5", arrays, {"feature": name})

    def run(self, *features, out="out", **changes):
        changes = {"features": list(features), "task": "topic", "permutations": 100, "seeds": 1, **changes}
        return run_mapping(
            "pairs",
            changes,
            self.task,
            labels=self.folder / "labels.parquet",
            splits=self.folder / "splits.csv",
            features={name: self.folder / f"{name}.h5" for name in features},
            csv=self.folder / f"{out}.csv",
            json=self.folder / f"{out}.json",
            svg=self.folder / f"{out}.svg",
            bootstrap=200,
        )


def of_pair(told, source, target):
    """The scores of a pair, by method."""
    return next(one for one in told["pairs"] if (one["source"], one["target"]) == (source, target))


def linked(world, widths=(12, 9), seed=0, noise=0.3):
    """Two features with a shared latent of each video, of five numbers."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=(len(world), 5))
    made = [latent @ random.normal(size=(5, width)) for width in widths]
    return [one + noise * random.normal(size=one.shape) for one in made]
