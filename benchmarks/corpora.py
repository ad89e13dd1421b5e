"""The workflow on real corpora, through the Snakefile: what was reached, beside what is published.

usage: python benchmarks/corpora.py [esc10] [esc10-yamnet] [clips] [odd] [esc10-grid] [clips-grid] [demo]

The corpora are not part of the project; the folder that holds `data/esc10`, `data/clips`, `data/odd` and, for
esc10-yamnet and the grids (they need the extras litert and models; they run only when named), `weights/yamnet.tflite`
and MobileNet's weights is given by TRIPTYCH_SHARED (default: ../shared). `demo` is the project's own corpus with the
extra minilm: comparison, accuracy by what is there, mappings and search. Results lie in results/NAME like those of any
study.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))
SHARED = Path(os.environ.get("TRIPTYCH_SHARED", CHECKOUT.parent / "shared"))
PUBLISHED = {
    "esc10": "published (Piczak 2015, MFCC and zero-crossing statistics): kNN .667, SVM .675, random forest .727",
    "esc10_yamnet": "known (YAMNet LiteRT, linear SVM): embedding .945, scores .888; wanted of the embedding: .94",
    "clips": "known (MobileNet and YAMNet features, 5 folds): video .67, audio .62, fused .66; 'has audio' alone .58",
}


def snakemake(study: str, corpus: Path, *settings: str) -> None:
    """Run a study with its table taken from the folder of corpora, and other settings as `key=value`."""
    command = [
        *(sys.executable, "-m", "snakemake", "--configfile", f"benchmarks/{study}.yaml"),
        *("--config", f"corpus={os.path.relpath(corpus, CHECKOUT)}", *settings),
    ]
    print("+", " ".join(command[2:]), flush=True)
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stdout[-2000:] + ran.stderr[-4000:])


def comparison(study: str, task: str) -> None:
    """Print the models of a task with intervals, on all videos and on those that the model could read."""
    with (CHECKOUT / f"results/{study}/comparison/{task}.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    print(
        f"{'model':<22} {'n':>4} {'accuracy':>9} {'95 %':>15} {'macro F1':>9} {'covered':>9} {'of':>4} {'p (Holm)':>9}"
    )
    for row in rows:
        interval = f"{short(row['accuracy_low'])} to {short(row['accuracy_high'])}"
        print(
            f"{row['model']:<22} {row['n']:>4} {short(row['accuracy']):>9} {interval:>15} {short(row['macro_f1']):>9} "
            f"{short(row['accuracy_covered']):>9} {row['n_covered']:>4} {short(row['p_holm']):>9}"
        )
    if study in PUBLISHED:
        print(PUBLISHED[study])
    for line in (CHECKOUT / f"benchmarks/{study}.yaml").read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "ariants tried" in line:
            print(line.lstrip("# "))


def short(text: str) -> str:
    """Three decimals, empty for what does not apply."""
    return f"{float(text):.3f}" if text else ""


def grid(corpus: str) -> None:
    """A whole grid of models with the real weights of LiteRT."""
    from triptych.core.study import read_yaml

    study = f"{corpus}_grid"
    weights = {"yamnet": "yamnet.tflite", "mobilenet": "mobilenet_v2_1.0_224_quant.tflite"}
    sections = read_yaml(CHECKOUT / f"benchmarks/{study}.yaml")["encoders"]
    found = {
        name: {"model": os.path.relpath(SHARED / "weights" / weights[name], CHECKOUT)}
        for name in sections
        if name in weights
    }
    snakemake(study, SHARED / f"data/{corpus}/videos.csv", f"encoders={json.dumps(found)}")


def demo() -> None:
    """The demo corpus: the comparison, accuracy by what videos have, mappings, and a search for each class."""
    from triptych.core.paths import Paths
    from triptych.core.study import load_study
    from triptych.report import results

    snakemake("demo_all", CHECKOUT / "data/demo/videos.csv")
    comparison("demo_all", "topic")
    study = load_study(CHECKOUT / "benchmarks/demo_all.yaml")
    os.chdir(CHECKOUT)
    view, *_ = results.task_view("topic", study.model_dump(by_alias=True, mode="json"), Paths.of(study))
    for pattern in view["availability"]:
        told = ", ".join(f"{name} {score:.3f}" for name, score in pattern["scores"].items())
        print(f"has {'+'.join(pattern['has']) or 'nothing'}, n = {pattern['n']}: {told}")
    print(Path(Paths.of(study).mapping("panels", "csv")).read_text(encoding="utf-8"))
    for words in (
        "boats and gulls in the harbour",
        "somebody cooks in a kitchen",
        "a meadow with flowers and bees",
        "working with wood and tools in a workshop",
    ):
        command = [
            sys.executable,
            "-m",
            "triptych.cli",
            "search",
            words,
            "--top",
            "3",
            "-c",
            "benchmarks/demo_all.yaml",
        ]
        print("+ triptych search", repr(words), flush=True)
        subprocess.run(command, cwd=CHECKOUT, check=False)


def odd() -> None:
    """Print what each odd file gave at each media stage."""
    table = CHECKOUT / "results/odd-table.csv"
    table.parent.mkdir(exist_ok=True)
    folder = SHARED / "data/odd"
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".md")
    with table.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "source"])
        writer.writerows([path.stem, os.path.relpath(path, table.parent)] for path in files)
    snakemake("odd", table)
    with (CHECKOUT / "results/odd/status.tsv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["stage"] in ("probe", "audio", "keyframes"):
                why = " ".join(filter(None, [row["reason"], row["message"], row["warnings"]]))
                print(f"{row['video']:<24} {row['stage']:<10} {row['status']:<8} {why[:150]}")


def yamnet() -> None:
    """ESC-10 by the real YAMNet; ends with an error when the embedding does not reach what is wanted."""
    model = os.path.relpath(SHARED / "weights/yamnet.tflite", CHECKOUT)
    snakemake("esc10_yamnet", SHARED / "data/esc10/videos.csv", f'encoders={{"yamnet": {{"model": "{model}"}}}}')
    comparison("esc10_yamnet", "sound")
    with (CHECKOUT / "results/esc10_yamnet/comparison/sound.csv").open(encoding="utf-8", newline="") as handle:
        reached = {row["model"]: float(row["accuracy"]) for row in csv.DictReader(handle)}
    if reached["embedding"] < 0.94:
        sys.exit(f"the embedding reached {reached['embedding']:.3f}, below .94")


def main() -> None:
    """Run the studies that are named; by default those that need no weights."""
    if sys.argv[1:] == ["demo"]:
        demo()
        return
    if not (SHARED / "data").is_dir():
        sys.exit(f"{SHARED} holds no folder `data`; name it by TRIPTYCH_SHARED")
    for study in sys.argv[1:] or ["esc10", "clips", "odd"]:
        if study == "odd":
            odd()
            continue
        if study.endswith("-grid"):
            grid(study.removesuffix("-grid"))
            comparison(study.replace("-", "_"), {"esc10-grid": "sound", "clips-grid": "fight"}[study])
            continue
        if study == "esc10-yamnet":
            yamnet()
            continue
        snakemake(study, SHARED / f"data/{study}/videos.csv")
        comparison(study, {"esc10": "sound", "clips": "fight"}[study])


if __name__ == "__main__":
    main()
