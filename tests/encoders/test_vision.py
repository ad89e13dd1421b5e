"""Descriptors of pictures and motion tell apart what they are for, and stay finite on every picture."""

import numpy as np
import pytest

from triptych.encoders import base, vision
from triptych.encoders.classic_image import ClassicImage

COLOUR = slice(0, vision.COLOUR)
TEXTURE = slice(vision.COLOUR, vision.COLOUR + vision.TEXTURE)
EDGES = slice(vision.COLOUR + vision.TEXTURE, vision.PICTURE)


def plain(colour, height=144, width=256):
    return np.full((height, width, 3), colour, np.uint8)


def stripes(across, height=144, width=256):
    rows, columns = np.mgrid[:height, :width]
    bright = ((columns if across else rows) // 8 % 2 * 200).astype(np.uint8)
    return np.repeat(bright[..., None], 3, axis=2)


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2), (17, 31), (288, 512), (512, 288)])
@pytest.mark.parametrize("value", [0, 127, 255])
def test_any_picture_has_finite_descriptors(shape, value):
    found = vision.picture(np.full((*shape, 3), value, np.uint8))
    assert found.shape == (vision.PICTURE,) and found.dtype == np.float32 and np.isfinite(found).all()


def test_colour_part_tells_colours_and_little_of_texture():
    red, blue = vision.picture(plain((220, 20, 20))), vision.picture(plain((20, 20, 220)))
    assert np.abs(red[COLOUR] - blue[COLOUR]).max() > 0.5
    np.testing.assert_allclose(red[TEXTURE], blue[TEXTURE], atol=1e-3)


def test_joint_histogram_sums_to_one():
    found = vision.colour(np.random.default_rng(0).integers(0, 256, (144, 144, 3), dtype=np.uint8))
    bins = vision.HUES * vision.SATURATIONS * vision.VALUES
    assert (found[:bins] ** 2).sum() == pytest.approx(1.0, abs=1e-5)


def test_edges_tell_directions():
    upright, level = vision.picture(stripes(True)), vision.picture(stripes(False))
    bins = vision.GRADIENTS
    cells = slice(EDGES.start, EDGES.start + vision.GRID**2 * bins)
    assert upright[cells].reshape(-1, bins).sum(axis=0).argmax() == 0
    assert level[cells].reshape(-1, bins).sum(axis=0).argmax() == bins // 2
    flat = vision.picture(plain((90, 90, 90)))
    assert upright[EDGES.stop - 1] > 0.05 > flat[EDGES.stop - 1] == 0


def test_local_patterns_are_uniform_codes():
    table = vision._uniform()
    assert len(set(table.tolist())) == 59 and (np.bincount(table)[:58] == 1).all()
    found = vision._patterns(np.random.default_rng(0).integers(0, 256, (50, 60), dtype=np.uint8), 1)
    assert (found**2).sum() == pytest.approx(1.0)
    # A flat picture has one code only: every neighbour is as bright as the centre.
    flat = vision._patterns(np.full((20, 20), 7, np.uint8), 1)
    assert flat.max() == 1.0 and flat.argmax() == table[255]


def test_patterns_do_not_change_with_brightness():
    grey = np.random.default_rng(0).integers(0, 200, (80, 90), dtype=np.uint8)
    np.testing.assert_array_equal(vision._patterns(grey, 1), vision._patterns(grey + 40, 1))


def test_motion_tells_direction_and_rest():
    rng = np.random.default_rng(0)
    base_picture = np.kron(rng.integers(0, 255, (12, 22)), np.ones((4, 4))).astype(np.uint8)
    still = np.stack([base_picture[:36, :64]] * 3)
    right = np.stack([base_picture[4:40, 12 - step : 76 - step] for step in (0, 2, 4)])
    rest, moved = vision.motion(still), vision.motion(right)
    assert rest.shape == (2, vision.MOTION)
    assert np.abs(rest[:, -2:]).max() < 0.01 and rest[:, vision.GRID**2].max() == 0
    across, down = moved[:, -2], moved[:, -1]
    assert (across > 0.8).all() and (np.abs(down) < 0.7).all()
    assert vision.motion(still[:1]).shape == (0, vision.MOTION)


def test_encoder_gives_frames_and_motion():
    frames = [plain((40 * number, 90, 10), 72, 96) for number in range(3)]
    thumbs = np.random.default_rng(0).integers(0, 255, (5, 36, 64), dtype=np.uint8)
    weights = np.full(3, 1 / 3)
    one = base.Pictures("a", frames, np.arange(3.0), weights, thumbs, np.arange(5) / 2)
    picture = base.Pictures("b", frames[:1], np.zeros(1), np.ones(1), thumbs[:1], np.zeros(1))
    nothing = base.Pictures("c", [], np.zeros(0), np.zeros(0), thumbs[:0], np.zeros(0))
    found = ClassicImage({}).encode([one, picture, nothing])
    assert {name: values.shape for name, values in found[0].arrays.items()} == {
        "frame": (3, vision.PICTURE),
        "motion": (4, vision.MOTION),
    }
    assert found[0].times["motion"].tolist() == [[0, 0.5], [0.5, 1], [1, 1.5], [1.5, 2]]
    assert set(found[1].arrays) == {"frame"}
    assert found[2].outcome.reason == "no_frames"
