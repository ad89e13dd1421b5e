"""The report in headless Chromium: hostile titles stay text, and the page shows what it should."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from report.results_folder import HOSTILE, HOSTILE_CLASS, WORDS, make, rows_of
from report.test_page import Parsed

from triptych.report import page

pytestmark = pytest.mark.browser
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --no-first-run"
)


def browser() -> str:
    given = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert given, "no Chromium: install it (apt-get install chromium) or name its program in CHROMIUM"
    return given


def opened(page: Path, folder: Path, *flags: str) -> subprocess.CompletedProcess:
    """Open a page; its document as it is after its script ran is on stdout, its console on stderr."""
    command = [browser(), *FLAGS.split(), f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    command += ["--enable-logging=stderr", "--v=0", *flags, page.absolute().as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study with hostile titles as it was made: (study, paths, rows)."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = rows_of(24, (HOSTILE_CLASS, *list(WORDS)[1:]), hostile=True)
    encoders = {name: {"use": f"classic-{what}"} for name, what in (("picture", "image"), ("sound", "audio"))}
    changes = {"encoders": encoders | {"objects": {"use": "detector", "model": "models/none"}}}
    changes |= {"report": {"title": "Demo", "embed_videos": 2}}
    return (*make(folder, rows, **changes), rows)


@pytest.fixture(scope="module")
def hostile(made):
    _, paths, rows = made
    return Path(paths.root), Path(paths.report), rows


def with_script(text: str, script: str) -> str:
    """A page with one script more, which the policy of this copy allows."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = text.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    return text.replace("</body>", f"<script>{script}</script></body>")


@pytest.mark.fault(40)
def test_hostile_titles_stay_text_and_everything_is_shown(hostile, tmp_path):
    _, built, rows = hostile
    ran = opened(built, tmp_path, "--dump-dom")
    parsed = Parsed(ran.stdout)
    assert parsed.all("title")[0][1] == "Demo" and "PWNED'" in ran.stdout
    assert len(parsed.all("script")) == 2
    assert not [
        attributes for tag, attributes, _ in parsed.elements if any(name.startswith("on") for name in attributes)
    ]
    texts = [text for _, _, text in parsed.elements]
    for row in rows[:25]:
        assert row["title"] in texts, row["title"]
    assert HOSTILE_CLASS in texts
    tables = [text for text in texts if text.startswith("Models for topic")]
    assert tables and len([1 for attributes, _ in parsed.all("td") if attributes.get("class") == "forest"]) == 6
    assert len([1 for attributes, _ in parsed.all("article") if attributes.get("class") == "video"]) == 25
    links = [attributes["href"] for attributes, _ in parsed.all("a")]
    assert all(link.startswith(("#", "https://")) for link in links)
    assert "CONSOLE" not in ran.stderr, ran.stderr


def test_linked_pictures_are_allowed_by_the_policy(hostile, tmp_path):
    """The third video's sheet is a file beside the page: its picture loads, so nothing of it is on the console."""
    _, built, _ = hostile
    probe = built.with_name("probe.html")
    text = built.read_text(encoding="utf-8")
    assert '"../keyframes/clip-002.jpg"' in text
    # A page that opens every video at once, by a script that the policy of this copy allows.
    opener = "document.querySelectorAll('.video button').forEach((one) => one.click());"
    opener += "setTimeout(() => { document.title = [...document.images].filter((one) => "
    opener += "one.getAttribute('src') === '../keyframes/clip-002.jpg').map((one) => one.naturalWidth > 300); }, 2000);"
    probe.write_text(with_script(text, opener), encoding="utf-8")
    ran = opened(probe, tmp_path, "--dump-dom", "--window-size=1200,20000")
    assert "Content Security Policy" not in ran.stderr and "CONSOLE" not in ran.stderr, ran.stderr
    parsed = Parsed(ran.stdout)
    assert parsed.all("title")[0][1] == "true,true"
    assert len([1 for attributes, _ in parsed.all("div") if attributes.get("class") == "said-text"]) >= 20
    assert any(attributes.get("src") == "../keyframes/clip-002.jpg" for attributes, _ in parsed.all("img"))
    # Names of objects are text too.
    noted = [text for _, text in parsed.all("p") if "person" in text]
    assert noted and all(f"{HOSTILE[0]} .75 · person .50" in text for text in noted)
    assert len(parsed.all("script")) == 3


def test_many_models_are_grouped_sorted_and_found(made, tmp_path):
    """Fifteen models: in groups at first, by score after a click, and only those that are asked for."""
    study, paths, rows = made
    data = page.collect(study, paths, rows, Path(paths.report).parent)
    task = data["tasks"][0]
    seen = next(row for row in task["rows"] if row["model"] == "seen")
    for number in range(9):
        name = f"copy_{number}"
        task["rows"].append({**seen, "model": name, "accuracy": number / 10, "classifier": "svc" if number else "odd"})
        task["models"].append(name)
        for part in ("metrics", "confusion", "reliability"):
            task[part][name] = task[part]["seen"]
        for pattern in task["availability"]:
            pattern["scores"][name], pattern["between"][name] = number / 10, None
    for video in data["videos"]:
        for told in video["tasks"].values():
            told["models"] += [told["models"][2]] * 9
    script = """
      const one = document.querySelector("table.sorted"), told = [];
      const words = (rows) => [...rows].map((row) => row.textContent);
      const names = () => words(one.querySelectorAll("tbody th[scope=row]"));
      told.push(words(one.querySelectorAll("tr.group")), names().length);
      const head = [...one.querySelectorAll("button.sort")].find((button) => button.textContent.startsWith("accuracy"));
      head.click();
      told.push(names()[0], head.closest("th").getAttribute("aria-sort"));
      head.click();
      told.push(names()[0]);
      const search = document.querySelector("#tasks input[type=search]");
      search.value = "copy odd"; search.dispatchEvent(new Event("input")); told.push(names(), one.caption.textContent);
      told.push(document.querySelectorAll("svg.dots circle").length);
      told.push(document.querySelector("article .marks").textContent);
      document.title = JSON.stringify(told);
    """
    target = tmp_path / "many.html"
    target.write_text(with_script(page.render(data), script), encoding="utf-8")
    ran = opened(target, tmp_path, "--dump-dom")
    assert "CONSOLE" not in ran.stderr, ran.stderr
    groups, count, best, order, worst, found, caption, dots, marks = json.loads(Parsed(ran.stdout).all("title")[0][1])
    assert groups == ["heard", "said", "seen", "several modalities or models", "baseline"] and count == 15
    scores = {row["model"]: row["accuracy"] for row in task["rows"]}
    assert order == "descending" and scores[best.split("best single")[0]] == max(scores.values()) and worst == "copy_0"
    assert found == ["copy_0"] and "1 of 15 rows" in caption and dots == 15 and "of 13 models right" in marks


@pytest.mark.fault(40)
def test_a_script_without_the_digest_would_not_run(hostile, tmp_path):
    """The second lock: even a page whose escaping had failed runs nothing of a title."""
    _, built, _ = hostile
    broken = built.with_name("broken.html")
    evil = "<script>document.title='PWNED'</script><img src=x onerror=\"document.title='PWNED'\">"
    broken.write_text(
        built.read_text(encoding="utf-8").replace('<div id="tasks"></div>', f'<div id="tasks"></div>{evil}')
    )
    ran = opened(broken, tmp_path, "--dump-dom")
    assert Parsed(ran.stdout).all("title")[0][1] == "Demo"
    assert "Content Security Policy" in ran.stderr


def test_screenshot_is_not_blank(hostile, tmp_path):
    from PIL import Image

    _, built, _ = hostile
    for width in (400, 1280):
        shot = tmp_path / f"{width}.png"
        opened(built, tmp_path, f"--screenshot={shot}", f"--window-size={width},2000")
        with Image.open(shot) as image:
            assert len(image.convert("RGB").getcolors(1_000_000)) > 100
