"""How fast networks of the real size run on a graphics card under the engine, and how busy the card is kept.

Random weights (speed does not depend on them): CLIP ViT-B/32 (32 keyframes a video), ViViT-B (a clip of 32 frames),
Whisper small and large-v3 turbo (30 s of sound, `--tokens` greedy tokens). Items go the engine's way: JPEGs or
samples are decoded and prepared by threads ahead of the card (`encoders.ahead`), batches run by `encoders.batches`
under bfloat16 autocast. The first batch warms the card up and is not counted.

    busy      share of the wall time between the start and the end of the card's work on batches (CUDA events)
    nvidia    mean of what nvidia-smi samples as utilisation, where that program is
    waited    share of the wall time in which the card had no batch

    python benchmarks/gpu.py [--only clip vivit whisper-small whisper-large-v3-turbo] [--threads 8] [--items 512]
    python benchmarks/gpu.py --tiny     on the CPU: shows that it runs, its figures say nothing
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from networks import whisper_size

from triptych.core import torchvision
from triptych.core.status import OK
from triptych.encoders import ahead
from triptych.encoders.base import Encoded, ModelCard
from triptych.encoders.batches import Runner, numbers
from triptych.encoders.inputs import Input

NARROW = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


class Frames:
    """Frames of a video through a network of pictures or of clips: from JPEGs of 512 x 288, as keyframes are stored."""

    unit, per_item = "frames", 32

    def __init__(self, tiny: bool, device: str) -> None:
        from PIL import Image

        self.device = device
        self.card = ModelCard("frames", "image", {}, "random", "none", "random weights")
        rough = np.random.default_rng(0).integers(0, 256, (36, 64, 3), dtype=np.uint8)
        stored = io.BytesIO()
        Image.fromarray(rough).resize((512, 288), Image.Resampling.BICUBIC).save(stored, "JPEG", quality=95)
        self.jpeg = stored.getvalue()
        self.model, self.side = self.network(tiny)
        self.model.eval().to(device)

    def make(self, one: Input) -> SimpleNamespace:
        """Decode and resize; numbers stay bytes until they are on the card."""
        import cv2

        from triptych.media.keyframes import decode_jpeg

        size = (self.side, self.side)
        frames = [cv2.resize(decode_jpeg(self.jpeg), size, interpolation=cv2.INTER_AREA) for _ in range(self.per_item)]
        return SimpleNamespace(video=one.video, pixels=np.stack(frames).transpose(0, 3, 1, 2))

    def encode(self, batch: list[Any]) -> list[Encoded]:
        import torch

        pixels = torch.from_numpy(np.stack([item.pixels for item in batch]))
        if self.device != "cpu":
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        out = self.forward(pixels.float() / 127.5 - 1).float().cpu().numpy()
        return [Encoded({"embedding": row[None]}) for row in out]


class Clip(Frames):
    """CLIP ViT-B/32, a vector a frame."""

    batch = 32

    def network(self, tiny: bool) -> tuple[Any, int]:
        from transformers import CLIPVisionConfig, CLIPVisionModel

        config = CLIPVisionConfig(**NARROW, image_size=64, patch_size=16) if tiny else CLIPVisionConfig()
        return CLIPVisionModel(config), config.image_size

    def forward(self, pixels):
        return self.model(pixel_values=pixels.flatten(0, 1)).last_hidden_state[:, 0].unflatten(0, pixels.shape[:2])


class Vivit(Frames):
    """ViViT-B, a vector a clip of 32 frames."""

    batch = 16

    def network(self, tiny: bool) -> tuple[Any, int]:
        from transformers import VivitConfig, VivitModel

        config = VivitConfig(**NARROW, image_size=64) if tiny else VivitConfig()
        return VivitModel(config, add_pooling_layer=False), config.image_size

    def forward(self, pixels):
        return self.model(pixel_values=pixels).last_hidden_state[:, 0]


class Whisper:
    """30 s of sound to a fixed number of tokens, greedily: log-mel in the threads, encoder and decoder on the card."""

    unit, per_item, batch = "s of sound", 30, 32

    def __init__(self, tiny: bool, device: str, size: str, tokens: int) -> None:
        from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

        self.device, self.tokens = device, tokens
        self.card = ModelCard("whisper", "audio", {}, "random", "none", "random weights")
        config = WhisperConfig(**whisper_size("tiny" if tiny else size))
        self.model = WhisperForConditionalGeneration(config).eval().to(device)
        self.front = WhisperFeatureExtractor(config.num_mel_bins)
        self.sound = (0.1 * np.random.default_rng(0).standard_normal(480_000)).astype(np.float32)

    def make(self, one: Input) -> SimpleNamespace:
        mel = self.front(self.sound, sampling_rate=16_000, return_tensors="np").input_features[0]
        return SimpleNamespace(video=one.video, mel=mel.astype(np.float32))

    def encode(self, batch: list[Any]) -> list[Encoded]:
        import torch

        mel = torch.from_numpy(np.stack([item.mel for item in batch])).to(self.device)
        told = self.model.model.encoder(mel).last_hidden_state
        tokens = torch.full((len(batch), 1), self.model.config.decoder_start_token_id, device=self.device)
        cache = None
        for _ in range(self.tokens):  # random weights do not end a text by themselves
            out = self.model(
                encoder_outputs=(told,), decoder_input_ids=tokens[:, -1:], past_key_values=cache, use_cache=True
            )
            cache = out.past_key_values
            tokens = torch.cat([tokens, out.logits[:, -1].argmax(dim=-1, keepdim=True)], dim=1)
        return [Encoded({"tokens": row[:, None]}) for row in tokens.cpu().numpy()]


class Watch(threading.Thread):
    """What nvidia-smi says of the card's utilisation, sampled four times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[float] = []
        tool = shutil.which("nvidia-smi")
        command = [tool, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-i", "0", "-lms", "250"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True) if tool else None

    def run(self) -> None:
        for line in self.process.stdout if self.process else ():
            if line.strip().isdigit():
                self.samples.append(float(line))

    def stop(self) -> str:
        if self.process:
            self.process.terminate()
            self.process.wait()
        return f"{np.mean(self.samples):.0f} %" if self.samples else "-"


def measure(name: str, network: Any, device: str, items: int, threads: int) -> None:
    """Throughput and busy share of one network."""
    import torch

    card = device != "cpu"
    events: list[tuple[Any, Any]] = []
    plain = network.encode

    def timed(batch: list[Any]) -> list[Encoded]:
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if card else [time.monotonic()]
        if card:
            marks[0].record()
        found = plain(batch)
        if card:
            marks[1].record()
        else:
            marks.append(time.monotonic())
        events.append((marks[0], marks[1]))
        return found

    network.encode = timed
    runner = Runner(network, network.batch, device)
    todo = [Input(f"v{number:06d}", "", OK, {}) for number in range(items + network.batch)]
    done, waited, watch = 0, 0.0, Watch()
    steps = ahead.batches(network.make, todo, network.batch, threads)
    ones, prepared = next(steps)
    runner.encode(prepared)  # warms up
    if card:
        torch.cuda.synchronize()
    events.clear()
    watch.start()
    start = asked = time.monotonic()
    for ones, prepared in steps:
        waited += time.monotonic() - asked
        runner.encode(prepared)
        done += len(ones)
        del prepared
        asked = time.monotonic()
    if card:
        torch.cuda.synchronize()
    wall = time.monotonic() - start
    spans = (first.elapsed_time(last) / 1e3 if card else last - first for first, last in events)
    busy = sum(spans)
    memory = f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GB" if card else "-"
    print(
        f"  {name:24s} {numbers(device, 'auto'):9s} {done / wall:8.1f} items/s  {done * network.per_item / wall:10.0f} "
        f"{network.unit}/s   busy {100 * busy / wall:3.0f} %   nvidia {watch.stop():>5s}   waited "
        f"{100 * waited / wall:3.0f} %   batch {runner.most}   {memory}",
        flush=True,
    )


def main() -> None:
    networks = {
        "clip": lambda told, device: Clip(told.tiny, device),
        "vivit": lambda told, device: Vivit(told.tiny, device),
        "whisper-small": lambda told, device: Whisper(told.tiny, device, "small", told.tokens),
        "whisper-large-v3-turbo": lambda told, device: Whisper(told.tiny, device, "large-v3-turbo", told.tokens),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(networks), default=list(networks))
    parser.add_argument("--items", type=int, default=512)
    parser.add_argument("--threads", type=int, default=8, help="that decode and prepare")
    parser.add_argument("--tokens", type=int, default=64, help="of a stretch of sound")
    parser.add_argument("--tiny", action="store_true", help="tiny networks, so that it runs on a CPU")
    told = parser.parse_args()
    torchvision.mend()
    import torch

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        print("There is no graphics card here (torch.cuda.is_available() is false).")
        if not told.tiny:
            raise SystemExit("Nothing was measured; --tiny shows on the CPU that the benchmark runs.")
        print("Tiny networks on the CPU: these figures only show that the benchmark runs.")
        torch.set_num_threads(1)
    else:
        print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}, {told.threads} threads ahead")
    for name in told.only:
        measure(name, networks[name](told, device), device, told.items, told.threads)
        if device != "cpu":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    main()
