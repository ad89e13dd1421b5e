"""The page: structure, policy, inert data, whatever the table holds."""

import base64
import csv
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report.results_folder import HOSTILE, HOSTILE_CLASS

from triptych.core.paths import Paths
from triptych.report import page, results

TEMPLATE = Path(page.__file__).parent / "template"


VOID = {"meta", "img", "input", "br", "hr", "link", "col", "source"}


class Parsed(HTMLParser):
    """Elements of a page as a browser's parser would see them: (tag, attributes, text)."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[list] = []
        self.open: list[list] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        while tag in [one[0] for one in self.open] and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self.open:
            self.open[-1][2] += data

    def all(self, tag):
        return [(attributes, text) for name, attributes, text in self.elements if name == tag]


def opened(found) -> tuple[str, Parsed, dict]:
    text = Path(found[2].report).read_text(encoding="utf-8")
    parsed = Parsed(text)
    blocks = [text for attributes, text in parsed.all("script") if attributes.get("id") == "data"]
    assert len(blocks) == 1
    return text, parsed, json.loads(blocks[0])


@pytest.mark.fault(40)
def test_two_scripts_and_no_more_whatever_titles_hold(hostile):
    _, parsed, _ = opened(hostile)
    scripts = parsed.all("script")
    assert [attributes.get("type") for attributes, _ in scripts] == ["application/json", None]
    allowed = {"html", "head", "meta", "title", "style", "body", "a", "header", "div", "p", "i", "h1", "h2", "nav"}
    allowed |= {"main", "noscript", "code", "section", "script"}
    assert {tag for tag, *_ in parsed.elements} <= allowed
    handlers = [name for _, attributes, _ in parsed.elements for name in attributes if name.startswith("on")]
    assert not handlers and not [1 for _, attributes, _ in parsed.elements if "style" in attributes]


def test_policy_allows_this_script_and_style_by_digest_and_nothing_else(hostile):
    _, parsed, _ = opened(hostile)
    policy = next(attributes["content"] for attributes, _ in parsed.all("meta") if "http-equiv" in attributes)
    rules = dict(part.split(" ", 1) for part in policy.split("; "))
    script, style = parsed.all("script")[1][1], parsed.all("style")[0][1]
    for rule, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data: 'self'" and rules["media-src"] == "'self'"
    assert rules["require-trusted-types-for"] == "'script'" and "unsafe" not in policy
    # Nothing before the policy can load anything.
    assert parsed.elements.index(next(e for e in parsed.elements if "http-equiv" in e[1])) < 4


def test_page_is_self_contained(hostile):
    text, parsed, _ = opened(hostile)
    assert not [attributes for _, attributes, _ in parsed.elements if "src" in attributes or "link" in attributes]
    assert {attributes["href"] for attributes, _ in parsed.all("a")} == {"#main"}
    shell = text.replace(parsed.all("script")[0][1], "")
    assert set(re.findall(r"https?://[^\s\"'/]+", shell)) == {"http://www.w3.org"}  # the SVG name space


@pytest.mark.fault(40)
def test_hostile_words_come_back_as_they_are(hostile):
    text, _, data = opened(hostile)
    titles = [video["title"] for video in data["videos"]]
    assert titles == [row["title"] for row in hostile[3]] and set(HOSTILE) <= set(titles)
    assert HOSTILE_CLASS in data["tasks"][0]["classes"]
    for word in ("PWNED'</script>", "<b onmouseover", "<svg onload", "\u2028", "\u2029"):
        assert word not in text


def test_data_block_is_inert_and_comes_back_the_same():
    data = {"a": ["</script>", "<!--", "&lt;", "\u2028\u2029", "é 名 😀", "]]>", "\\u003c"], "b": [1, 0.5, None, True]}
    block = page.data_block(data)
    assert not re.search("[<>&\u2028\u2029]", block) and json.loads(block) == data
    assert json.loads(page.data_block({"x": [float("nan"), float("inf")]})) == {"x": [None, None]}
    assert json.loads(page.data_block("half \ud83d")) == "half \ud83d" and page.data_block("\ud83d").encode("utf-8")


def test_scripts_put_text_and_never_mark_up():
    text = "\n".join((TEMPLATE / name).read_text() for name in page.SCRIPTS)
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function", "DOMParser"):
        assert word not in text
    assert "</script" not in text and "<!--" not in text


@pytest.mark.fault(40)
def test_secrets_and_odd_addresses_are_not_linked(hostile):
    text, _, data = opened(hostile)
    first, second, third = data["videos"][:3]
    assert second["link"] == "https://video.example/watch?v=1&token=..."
    assert third["link"] is None and first["link"] is None
    assert "hunter2" not in text and "SECRET" not in text


def test_page_tells_what_was_run_on_what(hostile):
    _, parsed, data = opened(hostile)
    _, study, _, rows = hostile
    assert data["study"] == "demo" and data["note"] == "The corpus is synthetic." and len(data["config"]) == 64
    assert data["corpus"]["rows"] == len(rows) == 26 and data["corpus"]["urls"] == 1
    assert data["corpus"]["kinds"] == {"not readable": 1, "video": 25}
    assert {"python", "numpy", "scikit-learn"} <= {name for name, _ in data["software"]}
    features = [(one["name"], one["width"], one["videos"]) for one in data["features"]]
    assert features == [("frames", 4, 25), ("heard", 8, 24)]
    assert {one["modality"] for one in data["encoders"]} == {"image", "audio"}
    # Weights are told by what they are, where they can be found.
    assert [one.get("model") for one in data["encoders"]] == [None, None, "models/none"]
    headings = [text for tag, _, text in parsed.elements if tag == "h2"]
    assert headings == ["At a glance", "Problems", "Coverage", "Videos", "What was run"]
    assert [row["model"] for row in data["tasks"][0]["rows"]] == ["majority", "prior", *study["models"]]


def test_problems_name_stage_and_reason_and_coverage_adds_up(hostile):
    _, _, data = opened(hostile)
    assert [words[:4] for words in data["problems"]] == [["broken", "probe", "failed", "unreadable"]]
    assert data["problem_count"] == 1 and data["warned"] == 1
    assert all(sum(stage["counts"]) == 26 for stage in data["coverage"])
    audio = next(stage for stage in data["coverage"] if stage["stage"] == "audio")
    assert audio["counts"] == [24, 1, 1, 0]
    assert audio["reasons"] == [["absent", "no_audio", 1], ["failed", "unreadable", 1]]


def test_videos_carry_sheet_transcript_and_predictions(hostile):
    _, _, data = opened(hostile)
    videos = {video["slug"]: video for video in data["videos"]}
    task, clip = data["tasks"][0], videos["clip-004"]
    assert clip["sheet"].startswith("data:image/jpeg;base64,")
    assert clip["audio"] is None and videos["clip-000"]["audio"] == "../audio/clip-000.mp3"
    assert clip["text"]["segments"][0] == [0.0, "grass hay"] and clip["text"]["source"] == "captions"
    told = clip["tasks"]["topic"]
    assert [task["classes"][k] for k in told["truth"]] == ["meadow"] and told["group"] == "film 2"
    by_model = dict(zip(task["models"], told["models"], strict=True))
    assert by_model["heard"][3] is False and by_model["seen"][3] is True
    assert all(len(one[4]) == 3 and 0 <= one[1] <= 1 and one[2] in (0, 1) for one in by_model.values())
    assert videos["unlabelled"]["tasks"]["topic"]["truth"] is None
    assert videos["unlabelled"]["tasks"]["topic"]["models"][2][2] is None
    assert videos["broken"]["sheet"] is None and videos["broken"]["text"] is None


def test_pictures_beyond_the_limit_are_linked(plain):
    _, _, data = opened(plain)
    sheets = [video["sheet"] for video in data["videos"]]
    assert [sheet.startswith("data:") for sheet in sheets[:3]] == [True, True, False]
    assert sheets[2] == "../keyframes/clip-002.jpg"
    assert (Path(plain[2].report).parent / sheets[2]).is_file()


def test_ungrouped_and_multi_label_tasks(plain):
    _, _, data = opened(plain)
    topic, tags = data["tasks"]
    assert topic["grouped"] is False and topic["repeats"] == 2 and topic["primary"] == "accuracy"
    assert tags["grouped"] is True and tags["multi"] and tags["primary"] == "micro_f1" and "map" in tags["rows"][0]
    assert "Not grouped (group: none)" in (TEMPLATE / "main.js").read_text()
    decided = [
        one[0] for video in data["videos"] for one in video["tasks"].get("tags", {"models": []})["models"] if one
    ]
    assert any(len(indices) != 1 for indices in decided)


@pytest.mark.fault(41)
def test_same_files_give_the_same_page(plain, tmp_path):
    _, study, paths, rows = plain
    again = page.build(study, paths, rows, Path(paths.report).with_name("again.html"))
    assert again.read_bytes() == Path(paths.report).read_bytes()
    again.unlink()


def test_damaged_contact_sheet_is_left_out(plain):
    _, study, paths, rows = plain
    path = Path(paths.manifest("keyframes", "clip-001")).with_suffix(".jpg")
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    try:
        data = page.collect(study, paths, rows, Path(paths.report).parent)
    finally:
        path.write_bytes(whole)
    assert data["videos"][1]["sheet"] is None and data["videos"][0]["sheet"]


@pytest.mark.parametrize("title", ["</title><script>alert(1)</script>", "{{script}}", "a & b"])
def test_title_of_the_study_is_text_too(plain, title):
    data = page.collect(plain[1], plain[2], [], Path(plain[2].report).parent)
    parsed = Parsed(page.render({**data, "title": title}))
    assert parsed.all("title")[0][1] == title and parsed.all("h1")[0][1] == title
    assert len(parsed.all("script")) == 2


def test_a_study_without_tasks_has_a_page(plain, tmp_path):
    from triptych.report import status_table

    _, study, paths, rows = plain
    bare = {**study, "tasks": {}, "models": {}, "features": {}}
    status_table.write(tmp_path / "status.tsv", status_table.collect(paths, rows, bare))
    text = page.build(bare, Paths.from_config(bare), rows, tmp_path / "index.html").read_text()
    data = json.loads(Parsed(text).all("script")[0][1])
    assert data["tasks"] == [] and len(data["videos"]) == 26


def test_every_model_has_its_reliability_curve_and_counts(hostile, plain):
    for found, curves in ((hostile, {"topic": ["said"]}), (plain, {"topic": [], "tags": []})):
        _, _, data = opened(found)
        for task in data["tasks"]:
            assert set(task["reliability"]) == set(task["models"]) == set(task["confusion"])
            assert all(one.startswith("data:image/svg+xml;base64,") for one in task["reliability"].values())
            for model, cells in task["confusion"].items():
                total = sum(count for _, _, count in cells)
                assert task["multi"] or total == pytest.approx(task["n"]), model
            assert [one["model"] for one in task["curves"]] == curves[task["name"]]
            assert all(one["picture"] and one["points"][-1]["share"] == 1 for one in task["curves"])


def test_labels_in_doubt_are_shown_as_they_are_written(hostile):
    _, _, data = opened(hostile)
    told = data["tasks"][0]["hints"]
    with Path(hostile[2].hints("topic")).open(newline="", encoding="utf-8") as handle:
        written = list(csv.DictReader(handle))
    assert told["count"] == len(written) and told["rows"] == written[:12]
    study = {**hostile[1], "evaluate": {**hostile[1]["evaluate"], "label_hints": False}}
    assert results.task_view("topic", study, hostile[2])[0]["hints"] is None


def test_scores_by_what_videos_have_carry_n_and_intervals(hostile):
    _, _, data = opened(hostile)
    rows = data["tasks"][0]["availability"]
    assert sum(row["n"] for row in rows) == 24 and rows[0]["has"] == ["heard", "said", "seen"]
    for row in rows:
        assert set(row["scores"]) == set(row["between"]) == set(data["tasks"][0]["models"])
    low, high = rows[0]["between"]["seen"]
    assert low < rows[0]["scores"]["seen"] < high


def test_few_seeds_of_a_network_are_flagged_and_decisions_told():
    models = {
        "majority": {"head": "majority"},
        "net": {"head": "mlp"},
        "joint": {"head": "gated", "fusion": "intermediate"},
        "choice": {"head": "mlp", "select": ["a", "b"]},
        "plain": {"head": "svc"},
    }
    assert [name for name, one in models.items() if results.random(one)] == ["net", "joint"]
    assert results.few({"seeds": 1.0}) and results.few({}) and not results.few({"seeds": 5.0})
    told = [
        results.decision({"head": "svc", "decide": {"rule": rule, "threshold": 0.3, "k": k}})
        for rule, k in (("fixed", None), ("global", None), ("per_label", None), ("top_k", 3), ("top_k", None))
    ]
    assert told[0] == "labels of at least 0.3" and told[3] == "the 3 most probable labels" and len(set(told)) == 5
    assert results.decision({"head": "majority"}) == "constant"


def test_predictions_beyond_the_embedded_videos_are_brief(plain):
    _, _, data = opened(plain)
    lengths = [len(one[4]) for video in data["videos"] for one in video["tasks"]["topic"]["models"] if one]
    assert lengths[: 2 * 4] == [3] * 8 and not any(lengths[8:])
