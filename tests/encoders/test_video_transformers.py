"""Video models of transformers, tiny ones of the true classes: the clip, the token, and what is refused."""

import numpy as np
import pytest
from encoders.frames import close, pictures
from tiny import image, video

from triptych.encoders import base, registry
from triptych.encoders.faults import validate
from triptych.encoders.pretrained import libraries


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("video")
    builders = {build for build, *_ in video.PRESETS.values()}
    return {build: build(root / build.__name__) for build in builders}


def loaded(use, folder, **params):
    made = registry.create(use, params, model=str(folder))
    made.load("cpu")
    return made


@pytest.mark.parametrize("use", video.PRESETS)
def test_one_vector_a_clip_whatever_is_stored(folders, use):
    build, length, frames = video.PRESETS[use]
    made = loaded(use, folders[build])
    items = [pictures(count, count, str(count)) for count in (frames, 1, 0, 3 * frames, 2)]
    found = made.encode(items)
    assert [one.outcome.status for one in found] == ["ok", "ok", "absent", "ok", "ok"]
    for item, one in zip(items, found, strict=True):
        if one.outcome.ok:
            assert one.arrays["embedding"].shape == (1, length)
            assert one.times["embedding"].tolist() == [[item.times[0], item.times[-1]]]
    assert not found[0].outcome.warnings and not found[3].outcome.warnings
    told = found[1].outcome.warnings["repeated_frames"]
    assert told.startswith(f"{frames - 1} of the clip's {frames} frames repeat others")


@pytest.mark.parametrize("use", video.PRESETS)
def test_other_videos_do_not_matter(folders, use):
    made = loaded(use, folders[video.PRESETS[use][0]])
    items = [pictures(count, count, str(count)) for count in (8, 3, 20, 5, 9)]
    together = made.encode(items)
    prepared = made.encode([made.prepare(item) for item in items])
    for item, one, two in zip(items, together, prepared, strict=True):
        alone = made.encode([item])[0].arrays["embedding"]
        assert close(one.arrays["embedding"], alone) and close(two.arrays["embedding"], alone)


def hidden_of(use, folder, item):
    """Last hidden states of a clip that needs neither repeating nor thinning, by the library."""
    import torch

    made = loaded(use, folder)
    pixels = made.processor.scaled(made.prepare(item).pixels, "cpu")[None]
    with torch.inference_mode():
        whole = libraries().AutoModel.from_pretrained(str(folder)).eval()
        if use == "xclip":
            return whole.get_video_features(pixel_values=pixels).pooler_output.numpy()
        return whole(pixels).last_hidden_state.numpy()


def test_token_zero_or_the_mean_and_never_the_pooler(folders):
    vivit, item = folders[video.build_vivit], pictures(8)
    hidden = hidden_of("vivit", vivit, item)
    assert hidden.shape[1] == 1 + 4 * 4
    assert close(loaded("vivit", vivit).encode([item])[0].arrays["embedding"], hidden[:, 0])
    mean = loaded("vivit", vivit, pool="mean").encode([item])[0].arrays["embedding"]
    assert close(mean, hidden[:, 1:].mean(axis=1)) and not close(mean, hidden[:, 0], 1e-2)
    assert loaded("vivit", vivit).network.pooler is None
    timesformer, item = folders[video.build_timesformer], pictures(4)
    hidden = hidden_of("timesformer", timesformer, item)
    assert close(loaded("timesformer", timesformer).encode([item])[0].arrays["embedding"], hidden[:, 0])
    videomae, item = folders[video.build_videomae], pictures(6)
    hidden = hidden_of("videomae", videomae, item)
    assert close(loaded("videomae", videomae).encode([item])[0].arrays["embedding"], hidden.mean(axis=1))
    xclip, item = folders[video.build_xclip], pictures(4)
    assert close(loaded("xclip", xclip).encode([item])[0].arrays["embedding"], hidden_of("xclip", xclip, item))


def test_first_needs_a_class_token(folders):
    assert "must be one of mean" in validate("v", {"use": "videomae", "params": {"pool": "first"}})[0]
    with pytest.raises(base.EncoderError, match="no class token: its token 0 is a patch"):
        loaded("video-transformers", folders[video.build_videomae], pool="first")
    assert loaded("video-transformers", folders[video.build_videomae]).pool == "mean"
    assert loaded("video-transformers", folders[video.build_vivit]).pool == "first"


def test_frames_are_in_the_order_of_time(folders):
    for build in (video.build_vivit, video.build_timesformer, video.build_xclip, video.build_videomae):
        use = next(name for name, (own, *_) in video.PRESETS.items() if own is build)
        made = loaded(use, folders[build])
        item = pictures(8)
        turned = base.Pictures("a", item.frames[::-1], item.times, *[np.zeros(1)] * 3)
        one, two = (made.encode([some])[0].arrays["embedding"] for some in (item, turned))
        assert not close(one, two, 1e-4), use


def test_pixels_of_vivit_lie_between_one_and_minus_one(folders):
    """The checkpoint's own file scales to [-1, 1] and then normalises again."""
    item = pictures(8)
    item.frames[0][:] = 0
    item.frames[1][:] = 255
    made = loaded("vivit", folders[video.build_vivit])
    pixels = made.processor.scaled(made.prepare(item).pixels, "cpu")
    assert (float(pixels.min()), float(pixels.max())) == pytest.approx((-1, 1), abs=1e-6)
    assert pixels.shape == (8, 3, 32, 32)
    # As its own file says it, for models that were tuned with it.
    made = loaded("video-transformers", folders[video.build_vivit])
    pixels = made.processor.scaled(made.prepare(item).pixels, "cpu")
    assert (float(pixels.min()), float(pixels.max())) == pytest.approx((-3, 1), abs=1e-6)


def test_a_model_of_pictures_is_refused(tmp_path):
    folder = image.build_vit(tmp_path / "vit")
    with pytest.raises(base.EncoderError, match="does not say how many frames it takes"):
        loaded("video-transformers", folder)


def test_they_read_frames_at_even_times_unless_told_otherwise(folders):
    path = str(folders[video.build_vivit])
    assert registry.signature({"use": "vivit", "model": path})["frames"] == "uniform"
    assert registry.signature({"use": "vivit", "model": path, "frames": "keyframes"})["frames"] == "keyframes"
    assert "set keyframes.uniform" in validate("v", {"use": "vivit", "model": path}, 288, 0)[0]
    assert validate("v", {"use": "vivit", "model": path}, 288, 32) == []
