"""A request makes failures due that were recorded before it, and no later ones."""

import time

from triptych.core import retry
from triptych.core.files import replace_json
from triptych.core.paths import Paths


def test_only_earlier_failures_are_due(tmp_path):
    paths = Paths("s", results=str(tmp_path))
    replace_json(paths.attempts("old"), {"failed_at": time.time() - 5})
    replace_json(paths.attempts("mended"), {"failed_at": None})
    replace_json(paths.attempts("damaged"), ["x"])
    videos = ("old", "mended", "damaged", "never")
    assert [retry.due(paths, video) for video in videos] == [False] * 4
    retry.request(paths)
    assert [retry.due(paths, video) for video in videos] == [True, False, False, False]
    replace_json(paths.attempts("old"), {"failed_at": time.time() + 1})
    assert not retry.due(paths, "old")
    assert retry.due(paths, "old", since=time.time() + 9)


def test_a_damaged_request_is_none(tmp_path):
    paths = Paths("s", results=str(tmp_path))
    retry.request(paths)
    retry.request_file(paths).write_text("{")
    assert retry.requested_at(paths) == 0.0
