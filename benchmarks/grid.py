"""Time and memory of a whole grid of models on ESC-10, and the ratio to calling scikit-learn naively.

Runs the study `benchmarks/esc10_grid.yaml` first where its results are not there yet. Then each model that
scikit-learn has too is fitted once more in a process of its own by us (`learn.predict.run_model`, from the features,
labels and splits of the study) and once by scikit-learn as its documentation shows it: a pipeline with StandardScaler,
`OneVsRestClassifier(SVC(probability=True))` for svc, GridSearchCV over the same values on as many inner folds, for each
outer fold and seed; a late fusion as VotingClassifier or StackingClassifier, which fit their members again. CPU seconds
of the fits (imports and reading left out), peak memory of the processes.

    TRIPTYCH_SHARED=/path/to/corpora python benchmarks/grid.py [--only svc late]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "benchmarks")]
STUDY = CHECKOUT / "benchmarks" / "esc10_grid.yaml"
TASK = "sound"


def study():
    """The study, its lists expanded, and its files."""
    from triptych.core.paths import Paths
    from triptych.core.study import load_study

    os.chdir(CHECKOUT)
    found = load_study(STUDY)
    return found, Paths.of(found)


def matrices(features: list[str], paths):
    """Features as (n, d) each, targets (n,), and folds (n,)."""
    from triptych.encoders.pooling import read_feature
    from triptych.learn.splits import folds_of
    from triptych.learn.tasks import read_labels

    found, _ = study()
    data = read_labels(paths.labels(TASK), paths.refused(TASK)).labelled()
    folds = folds_of(paths.splits(TASK), data, found.tasks[TASK])[0]
    blocks = []
    for name in features:
        ids, values, _ = read_feature(paths.feature(name))
        where = {video: row for row, video in enumerate(ids)}
        blocks.append(values[[where[video] for video in data.videos]].astype(float))
    return blocks, data.targets.argmax(axis=1), folds


def ours(name: str) -> float:
    """CPU seconds of fitting a model in all folds as the workflow's job does."""
    from triptych.learn.predict import run_model

    found, paths = study()
    model = found.models[name]
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        run_model(
            name,
            model,
            found.tasks[TASK],
            labels=paths.labels(TASK),
            splits=paths.splits(TASK),
            refused=paths.refused(TASK),
            out=Path(folder) / "out.parquet",
            features={one: paths.feature(one) for one in model.inputs},
            members={one: paths.predictions(TASK, one) for one in model.members},
            inner=found.inner_folds(name, TASK),
        )
        return time.process_time() - started


def estimator(model, seed: int):
    """scikit-learn's own classifier for a head, searched where the study gives lists; None where it has none."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    from triptych.learn.params import HEAD_PARAMS, values_of

    known = values_of(HEAD_PARAMS[model.head], model.params)
    if model.head == "svc":
        made, key = OneVsRestClassifier(SVC(probability=True, random_state=seed)), "estimator__C"
    elif model.head == "logistic":
        made, key = LogisticRegression(max_iter=known["max_iter"]), "C"
    elif model.head == "mlp":
        return MLPClassifier(
            tuple(known["hidden"]), alpha=known["alpha"], max_iter=known["max_iter"], batch_size=32, random_state=seed
        )
    elif model.head == "forest":
        return RandomForestClassifier(known["n_estimators"], random_state=seed)
    elif model.head == "hist_gradient_boosting":
        return HistGradientBoostingClassifier(
            max_iter=known["max_iter"], min_samples_leaf=known["min_samples_leaf"], early_stopping=False
        )
    else:
        return None
    listed = known["C"] if isinstance(known["C"], list) else [known["C"]]
    return GridSearchCV(made, {key: listed}, cv=model.inner, scoring="neg_log_loss") if len(listed) > 1 else made


def pipeline(model, spans, seed: int):
    """Standardised blocks, side by side, reduced where the model says so, and the classifier.

    Args:
        model: section of the study file.
        spans: (start, width) of each block among the columns.
        seed: of the classifier.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    parts = []
    for number, (start, width) in enumerate(spans):
        steps = [StandardScaler()] + ([PCA(model.reduce.width)] if model.reduce else [])
        parts.append((f"block{number}", make_pipeline(*steps), list(range(start, start + width))))
    return make_pipeline(ColumnTransformer(parts), estimator(model, seed))


def naive(name: str) -> float:
    """CPU seconds of fitting and predicting by scikit-learn's classes, for each fold and seed."""
    from sklearn.ensemble import StackingClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    from triptych.learn import seeds

    found, paths = study()
    model = found.models[name]
    members = {one: found.models[one] for one in model.members}
    features = list(dict.fromkeys(one for part in (model, *members.values()) for one in part.inputs))
    blocks, y, folds = matrices(features, paths)
    starts = np.cumsum([0, *(block.shape[1] for block in blocks)])
    where = {one: (int(starts[at]), blocks[at].shape[1]) for at, one in enumerate(features)}
    x = np.concatenate(blocks, axis=1)

    def build(seed: int):
        if not members:
            return pipeline(model, [where[one] for one in model.inputs], seed)
        parts = [(one, pipeline(part, [where[x] for x in part.inputs], seed)) for one, part in members.items()]
        if model.head == "logistic":
            return StackingClassifier(parts, LogisticRegression(max_iter=1000), cv=model.inner)
        return VotingClassifier(parts, voting="soft")

    warnings.filterwarnings("ignore")
    with threadpool_limits(limits=1):
        started = time.process_time()
        for seed in range(1 if members else seeds.count(model)):
            for fold in np.unique(folds):
                fitted = build(seed).fit(x[folds != fold], y[folds != fold])
                fitted.predict_proba(x[folds == fold])
        return time.process_time() - started


def comparable(found) -> list[str]:
    """Models that scikit-learn has too."""
    heads = ("svc", "logistic", "mlp", "forest", "hist_gradient_boosting")
    return [
        name
        for name, model in found.models.items()
        if not model.select
        and not model.network
        and (model.head in heads or (model.fusion == "late" and model.head in ("mean", "logistic")))
    ]


def measured(way: str, name: str) -> tuple[float, float]:
    """CPU seconds of the fits and peak MB of a process that fits a model in one of the two ways."""
    ran = subprocess.run(
        [sys.executable, __file__, "--one", way, name],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if ran.returncode:
        sys.exit(ran.stderr[-3000:])
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    return told["seconds"], told["mb"]


def jobs(paths, found) -> None:
    """What the workflow's own training jobs took, start-up of processes included."""
    import csv

    seconds, memory, count = 0.0, 0.0, 0
    for name in found.models_of(TASK):
        with Path(paths.benchmark(f"train-{TASK}", name)).open(encoding="utf-8", newline="") as handle:
            row = next(csv.DictReader(handle, delimiter="\t"))
        seconds, count = seconds + float(row["s"]), count + 1
        memory = max(memory, *(float(row[key]) for key in ("max_rss",) if row[key] not in ("-", "NA")))
    print(f"{count} training jobs of the study: {seconds:.0f} s together, {memory:.0f} MB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="models whose names begin with one of these")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        seconds = {"ours": ours, "naive": naive}[given.one[0]](given.one[1])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "mb": peak}))
        return
    import corpora

    found, paths = study()
    if not Path(paths.comparison(TASK)).is_file():
        corpora.grid("esc10")
    corpora.comparison("esc10_grid", TASK)
    jobs(paths, found)
    names = [one for one in comparable(found) if not given.only or one.startswith(tuple(given.only))]
    print(f"{'model':<22} {'ours s':>8} {'MB':>6} {'naive s':>8} {'MB':>6} {'ratio':>6}")
    total = np.zeros(2)
    for name in names:
        (mine, peak), (other, peak_other) = measured("ours", name), measured("naive", name)
        total += mine, other
        print(f"{name:<22} {mine:>8.1f} {peak:>6.0f} {other:>8.1f} {peak_other:>6.0f} {other / mine:>6.2f}", flush=True)
    print(f"{'all':<22} {total[0]:>8.1f} {'':>6} {total[1]:>8.1f} {'':>6} {total[1] / total[0]:>6.2f}")


if __name__ == "__main__":
    main()
