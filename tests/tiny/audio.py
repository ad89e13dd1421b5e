"""Small models of sound with the signatures of the real ones: SavedModels, a LiteRT file, checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

PATCH, WINDOW, HOP, FFT, FRAMES, BANDS = 15_600, 400, 160, 512, 96, 64
CLASSES = 521
#: The first names of YAMNet's map; the rest of the toy's classes are numbered.
NAMES = ["Speech", "Child speech, kid speaking", "Conversation"]


def decoded(path: Path) -> np.ndarray:
    """A sound file as (n,) float32 mono at 16 kHz."""
    import av

    blocks = []
    to = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        for frame in [*container.decode(audio=0), None]:
            blocks += [one.to_ndarray().reshape(-1) for one in to.resample(frame)]
    return np.concatenate(blocks).astype(np.float32) / 32768


def _log_mel(tf, waveform, offset):
    """The front end as tensorflow/models writes it."""
    spectrum = tf.abs(tf.signal.stft(waveform, WINDOW, HOP, FFT))
    mel = tf.signal.linear_to_mel_weight_matrix(BANDS, FFT // 2 + 1, 16_000, 125.0, 7500.0)
    return tf.math.log(tf.matmul(spectrum, mel) + offset)


def weights(rows, columns, seed):
    return np.random.default_rng(seed).normal(0, rows**-0.5, (rows, columns)).astype(np.float32)


def write_class_map(path: Path) -> Path:
    names = NAMES + [f"Sound {number}" for number in range(len(NAMES), CLASSES)]
    lines = [f'{number},/m/{number},"{name}"' for number, name in enumerate(names)]
    path.write_text("\n".join(["index,mid,display_name", *lines]) + "\n", encoding="utf-8")
    return path


def build_yamnet(folder: Path) -> Path:
    """A SavedModel: waveform [n] -> scores (m, 521), embeddings (m, 1024), log-mel (k, 64), and `class_map_path`."""
    from triptych.encoders.tfhub import tensorflow

    tf = tensorflow()

    class Toy(tf.Module):
        def __init__(self):
            super().__init__()
            self.project = tf.Variable(weights(BANDS, 1024, 0))
            self.classify = tf.Variable(weights(1024, CLASSES, 1))
            self.classes = tf.saved_model.Asset(str(write_class_map(folder.with_suffix(".csv"))))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, waveform):
            size = tf.shape(waveform)[0]
            steps = tf.cast(tf.math.ceil(tf.maximum(0, size - PATCH) / 7680), tf.int32)
            padded = tf.pad(waveform, [[0, PATCH + steps * 7680 - size]])
            log_mel = _log_mel(tf, padded, 0.001)
            patches = tf.signal.frame(log_mel, FRAMES, 48, axis=0)
            embeddings = tf.nn.relu(tf.matmul(tf.reduce_mean(patches, axis=1), self.project))
            return tf.sigmoid(tf.matmul(embeddings, self.classify)), embeddings, log_mel

        @tf.function(input_signature=[])
        def class_map_path(self):
            return self.classes.asset_path

    tf.saved_model.save(Toy(), str(folder))
    return folder


def build_vggish(folder: Path) -> Path:
    """A SavedModel: waveform [n] -> embeddings (m, 128)."""
    from triptych.encoders.tfhub import tensorflow

    tf = tensorflow()

    class Toy(tf.Module):
        def __init__(self):
            super().__init__()
            self.project = tf.Variable(weights(BANDS, 128, 2))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, waveform):
            patches = tf.signal.frame(_log_mel(tf, waveform, 0.01), FRAMES, FRAMES, axis=0)
            return tf.matmul(tf.reduce_mean(patches, axis=1), self.project)

    tf.saved_model.save(Toy(), str(folder))
    return folder


def build_pca(path: Path) -> Path:
    """Post-processing of VGGish, with the names of `vggish_pca_params.npz`."""
    means = np.random.default_rng(4).normal(0, 0.5, (128, 1))
    np.savez(path, pca_eigen_vectors=weights(128, 128, 3), pca_means=means)
    return path


def build_yamnet_litert(folder: Path, samples: int = PATCH) -> Path:
    """A LiteRT file with YAMNet's input, outputs and name of the inner tensor, beside a map of classes."""
    from triptych.encoders.tfhub import tensorflow

    tf = tensorflow()

    project, classify = tf.constant(weights(WINDOW, 1024, 5)), tf.constant(weights(1024, CLASSES, 6))

    class Toy(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, samples], tf.float32)])
        def __call__(self, waveform):
            frames = tf.abs(tf.reshape(waveform, [samples // WINDOW, WINDOW]))
            with tf.name_scope("yamnet_frames"):
                hidden = tf.nn.relu(tf.matmul(frames, project))
                with tf.name_scope("global_average_pooling2d"):
                    grid = tf.reshape(hidden, [1, samples // WINDOW, 1, 1024])
                    pooled = tf.reduce_mean(grid, axis=[1, 2], name="Mean")
            return tf.sigmoid(tf.matmul(pooled, classify)), hidden

    toy = Toy()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([toy.__call__.get_concrete_function()], toy)
    folder.mkdir(parents=True, exist_ok=True)
    write_class_map(folder / "yamnet_class_map.csv")
    path = folder / "yamnet.tflite"
    path.write_bytes(converter.convert())
    return path


def build_ast(folder: Path, classes: int = 5, classifier: bool = True) -> Path:
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, ASTModel

    torch.manual_seed(0)
    config = ASTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=classes,
        id2label={number: f"Class {number}" for number in range(classes)},
    )
    kind = ASTForAudioClassification if classifier else ASTModel
    kind(config).save_pretrained(folder)
    ASTFeatureExtractor().save_pretrained(folder)
    return folder


def build_clap(folder: Path, fused: bool = False) -> Path:
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    torch.manual_seed(0)
    audio = {
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [1, 2],
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "enable_fusion": fused,
    }
    text = {
        "vocab_size": 60,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=12)).eval().save_pretrained(folder)
    ClapFeatureExtractor(truncation="fusion" if fused else "rand_trunc").save_pretrained(folder)
    return folder


def build_wav2vec2(folder: Path) -> Path:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8, 8, 8, 8, 8, 8),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder
