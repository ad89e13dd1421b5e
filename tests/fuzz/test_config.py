"""Study files: YAML text, and mappings of the right form with values of any kind."""

import yaml
from fuzz.damage import damaged, edited, words
from fuzz.target import target, tried
from hypothesis import strategies as st
from support import CHECKOUT

from triptych.commands.check import Checked, CheckError, load_file
from triptych.core.config import Study
from triptych.core.study import StudyError, load_study, parse_study, read_yaml

DEMO = (CHECKOUT / "config.yaml").read_bytes()
STUDY = yaml.safe_load(DEMO)
OTHERS = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((CHECKOUT / "config").glob("*.yaml"))]
TABLE = "id,source,topic,film,title\n" + "".join(f"v{n},x{n}.mp4,{'ab'[n % 2]},f{n // 2},T {n}\n" for n in range(8))
#: Names of keys of a study and what YAML makes other things of.
TOKENS = sorted(
    {*STUDY, *(key for part in STUDY.values() if isinstance(part, dict) for key in part)}
    | {"- ", ": ", "{", "}", "[", "]", "&a ", "*a", "<<: ", "!!binary ", "!!python/name:os.system ", "? ", "| ", "> "}
    | {
        "\n",
        "\n  ",
        "\n    ",
        "0x1F",
        "010",
        "1_000",
        "no",
        "~",
        ".inf",
        ".nan",
        "2020-01-01",
        "'",
        '"',
        "#",
        "%",
        "@",
        "\t",
    }
)


@target(share=2, content=damaged(DEMO, b"study: s\ncorpus: videos.csv\n"))
def test_a_damaged_study_file_is_a_study_or_its_faults(folder, content):
    path = folder / "study.yaml"
    path.write_bytes(content)
    study = tried(StudyError, (path,), load_study, path)
    if study:
        assert parse_study(study.model_dump(by_alias=True, mode="json")) == study


@target(share=2, tokens=st.lists(st.sampled_from(TOKENS) | words, max_size=25))
def test_yaml_of_any_tokens_is_a_mapping_or_a_fault(folder, tokens):
    path = folder / "tokens.yaml"
    path.write_bytes("".join(tokens).encode("utf-8", "surrogatepass"))
    found = tried(StudyError, (path,), read_yaml, path)
    assert found is None or isinstance(found, dict)
    tried(StudyError, (path,), load_study, path)


@target(share=2, data=edited(STUDY, *OTHERS))
def test_any_values_are_a_study_or_its_faults(folder, data):
    study = tried(StudyError, ("config",), parse_study, data) if isinstance(data, dict) else None
    if study:
        assert isinstance(study, Study)
        assert parse_study(study.model_dump(by_alias=True, mode="json")) == study


@target(share=0.5, data=edited({**STUDY, "corpus": "TABLE"}, most=2))
def test_check_ends_with_a_study_or_all_faults(folder, data):
    table = folder / "videos.csv"
    table.write_text(TABLE, encoding="utf-8")
    path = folder / "check.yaml"
    text = (
        yaml.safe_dump(data).replace("corpus: TABLE", f"corpus: {table}").replace("splits_dir: ", "splits_dir: none-")
    )
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = tried(CheckError, ("fault",), load_file, path)
    assert found is None or isinstance(found, Checked)
