"""Front ends of YAMNet and VGGish against stated figures, against TensorFlow's own operators, and the real YAMNet's."""

import numpy as np
import pytest
from tiny import audio

from triptych.encoders import logmel
from triptych.encoders.logmel import PATCH, VGGISH, YAMNET


def tone(hz=1000.0, seconds=3.0):
    return np.sin(2 * np.pi * hz * np.arange(int(16_000 * seconds)) / 16_000).astype(np.float32)


def noise(samples, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)


def test_three_seconds_give_six_and_three_patches():
    assert (YAMNET.count(48_000), VGGISH.count(48_000)) == (6, 3)
    assert YAMNET.patches(tone()).shape == (6, 96, 64) and VGGISH.patches(tone()).shape == (3, 96, 64)


@pytest.mark.parametrize("samples", [1, 400, 15_599, 15_600, 15_601, 23_280, 23_281, 30_959, 30_960, 100_000])
def test_counts_follow_the_published_rules(samples):
    assert YAMNET.count(samples) == 1 + int(np.ceil(max(0, samples - 15_600) / 7680))
    frames = 1 + (samples - 400) // 160 if samples >= 400 else 0
    assert VGGISH.count(samples) == max(0, (frames - 96) // 96 + 1)
    sound = noise(samples)
    for front in (YAMNET, VGGISH):
        assert front.patches(sound).shape == (front.count(samples), 96, 64)
        spans = front.spans(samples, 2.0)
        assert spans.shape == (front.count(samples), 2) and (np.diff(spans) > 0).all()
        assert len(spans) == 0 or 2.0 <= spans[0, 0] < spans[-1, 1] <= 2.0 + samples / 16_000


def test_yamnet_pads_with_zeros_to_whole_steps_and_vggish_drops_the_end():
    sound = noise(40_000)
    padded = YAMNET.padded(sound)
    assert len(padded) == 15_600 + 4 * 7680 and (padded[:40_000] == sound).all() and not padded[40_000:].any()
    assert len(YAMNET.padded(noise(100))) == 15_600 and len(YAMNET.padded(noise(15_600))) == 15_600
    assert VGGISH.padded(sound) is sound and (VGGISH.patches(sound) == VGGISH.patches(sound[:30_960])).all()


def test_a_patch_depends_on_its_own_samples_alone():
    sound = noise(48_000)
    whole = YAMNET.patches(sound)
    for number in range(5):
        part = sound[number * 7680 : number * 7680 + 15_600]
        assert np.abs(YAMNET.patches(part)[0] - whole[number]).max() < 1e-6


def test_a_tone_of_1_khz_is_in_its_band_and_silence_is_the_offset():
    edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    band = int(np.argmin(np.abs(edges[1:-1] - 1127 * np.log(1 + 1000 / 700))))
    for front in (YAMNET, VGGISH):
        assert (front.log_mel(tone()).argmax(axis=1) == band).all()
        assert np.allclose(front.log_mel(np.zeros(2000)), np.log(front.offset))
    # Magnitude, not power: half the sound is half the energy. A windowed sine of full scale has half the window's sum.
    energy = logmel.mel_energies(tone())
    assert np.allclose(logmel.mel_energies(tone() / 2), energy / 2)
    from scipy.fft import rfft

    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    assert np.abs(rfft(tone()[:400] * window, 512))[32] == pytest.approx(window.sum() / 2, rel=1e-3)


def test_filters_are_triangles_without_frequency_zero():
    weights = logmel.mel_filters()
    assert weights.shape == (257, 64) and not weights[0].any() and weights.min() == 0 and weights.max() <= 1
    bins = np.arange(257) * 31.25
    assert not weights[bins <= 125].any() and not weights[bins >= 7500].any()
    assert weights[(bins > 200) & (bins < 7000)].sum(axis=1) == pytest.approx(1.0)


def test_front_ends_agree_with_tensorflow():
    from triptych.encoders.tfhub import tensorflow

    tf = tensorflow()

    sound = (noise(48_000) * np.linspace(0, 1, 48_000)).astype(np.float32)
    spectrum = tf.abs(tf.signal.stft(sound, 400, 160, 512))
    mel = tf.matmul(spectrum, tf.signal.linear_to_mel_weight_matrix(64, 257, 16_000, 125.0, 7500.0))
    for front in (YAMNET, VGGISH):
        assert np.abs(tf.math.log(mel + front.offset).numpy() - front.log_mel(sound)).max() < 1e-4


@pytest.mark.shared
def test_the_real_yamnet_has_this_front_end(shared):
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(shared / "weights/yamnet.tflite"), experimental_preserve_all_tensors=True)
    network.allocate_tensors()
    inner = {one["name"].removeprefix("yamnet_frames/"): one for one in network.get_tensor_details()}
    window = network.get_tensor(inner["tf_op_layer_Mul/Mul/y"]["index"])[0]
    assert np.abs(window - (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400))).max() < 1e-6
    # Weights are whole numbers times a scale: the filters agree within half a step of it.
    told = inner["tf_op_layer_MatMul_2/MatMul_2"]
    steps = told["quantization_parameters"]["scales"]
    filters = network.get_tensor(told["index"]).astype(float).T * steps
    assert (np.abs(filters - logmel.mel_filters()) < 0.51 * steps).all()
    sound = audio.decoded(shared / "data/speech/jfk.flac")
    samples, own = YAMNET.padded(sound), YAMNET.patches(sound)
    theirs = []
    for first in range(0, len(own) * 7680, 7680):
        network.set_tensor(0, samples[first : first + PATCH].reshape(1, -1))
        network.invoke()
        theirs.append(network.get_tensor(network.get_output_details()[1]["index"]))
    differences = np.abs(np.array(theirs) - own)
    loud = own > 0
    print(f"\n{own.shape} of speech/jfk.flac against yamnet.tflite: max |difference| {differences.max():.3f}, ", end="")
    print(f"mean {differences.mean():.3f}; of the {loud.mean():.0%} of cells above 0: ", end="")
    print(f"max {differences[loud].max():.3f}, mean {differences[loud].mean():.4f}")
    # The file's Fourier transform has 8-bit weights too, so quiet cells drown in its rounding; loud ones agree.
    assert differences[loud].max() < 0.5 and differences[loud].mean() < 0.05
