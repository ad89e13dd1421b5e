"""Which stored frames an image encoder is given."""

import numpy as np
import pytest

from triptych.core.config import Keyframes, Limits
from triptych.core.paths import Paths
from triptych.encoders import base, inputs, registry
from triptych.media import unit


def given(paths, slug, frames=None):
    card = registry.find("classic-image").card
    one = inputs.describe(card, [{"slug": slug}], paths, "0", [])[slug]
    return inputs.read(card, one, paths, frames=frames)


def test_keyframes_or_frames_at_even_times(studio, tmp_path):
    with pytest.raises(base.EncoderError, match=r"clip1: no frames at even times.*keyframes.uniform"):
        given(studio.paths, "clip1", "uniform")
    paths = Paths("small", str(tmp_path / "results"), str(tmp_path / "media"), str(tmp_path / "splits"))
    video = [{"slug": "clip1", "source": str(studio.folder / "sources/clip1.mp4"), "url": False}]
    limits = Limits().model_dump()
    unit.run_stage("probe", video, paths, {}, limits)
    unit.run_stage("keyframes", video, paths, Keyframes(count=2, short_side=72, uniform=5).model_dump(), limits)
    keys, even = given(paths, "clip1"), given(paths, "clip1", "uniform")
    assert len(keys.frames) == 2 and (keys.times == given(paths, "clip1", "keyframes").times).all()
    # Ten frames in a second: of each fifth the second one is on the screen in the middle.
    assert even.times == pytest.approx(np.arange(0.1, 1, 0.2)) and even.weights == pytest.approx(0.2)
    assert [frame.shape for frame in even.frames] == [(72, 96, 3)] * 5
