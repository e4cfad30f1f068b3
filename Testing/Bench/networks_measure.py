"""One network in one way of running it, in a process of its own: seconds, memory and arithmetic, as JSON on stdout.

    python -m Testing.Bench.networks_measure CASE ours|later|package DEVICE SLICES PROMPTS

"later" is a word that is looked for in slices that were looked at before.

Weights are random and of full size: they change the answers, not the time. The clock runs from 8-bit slices in memory
to boxes or embeddings in memory; building the network is not counted. On a GPU a batch is run before it starts.
Arithmetic is counted as it was done: we do fewer products for detection, and a few more for SAM's folded positions.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.models.architectures import DETECTORS, SEGMENTERS, Architecture
from Tell2RegLib.models.grounding_dino.network import DetectorConfig
from Testing.Bench.measure import Row, peak_mb, reset_peak_mb

VOCABULARY = Path(__file__).resolve().parents[2] / "Resources" / "DemoWeights" / "vocab.txt"
PROMPTS = ("prostate", "bladder", "rectum", "left femoral head", "right femoral head", "pubic symphysis")
SLICE_HW = (200, 200)
"""The method's own slices."""

MATRIX = {"cpu": 2048, "cuda": 8192}
"""Side of the product that stands for what the hardware can do."""


@dataclass(frozen=True)
class NetworkCase:
    """A network to run.

    Args:
        architecture: of models/architectures.py.
        image_size: SAM's input where it is not the network's own; the package cannot do that and runs its own.
    """

    architecture: Architecture[Any]
    image_size: int | None = None

    @property
    def title(self) -> str:
        """For the table."""
        return self.architecture.title + (f", input {self.image_size}" if self.image_size else "")

    @property
    def detects(self) -> bool:
        """GroundingDINO if true, SAM otherwise."""
        return isinstance(self.architecture.config, DetectorConfig)


CASES = {
    **{f"dino-{name}": NetworkCase(one) for name, one in DETECTORS.items() if not one.shipped},
    "sam-vit-b-512": NetworkCase(SEGMENTERS["vit-b"], 512),
    **{f"sam-{name}": NetworkCase(one) for name, one in SEGMENTERS.items() if not one.shipped},
    **{f"dino-{name}": NetworkCase(one) for name, one in DETECTORS.items() if one.shipped},
    **{f"sam-{name}": NetworkCase(one) for name, one in SEGMENTERS.items() if one.shipped},
}


def measure(name: str, who: str, device: str, slices: int, prompts: int) -> Row:
    """Run a case and say how it went."""
    import torch

    case = CASES[name]
    pixels = np.random.default_rng(0).integers(0, 256, (slices, *SLICE_HW), dtype=np.uint8)
    requested = PROMPTS[:prompts]
    started = time.perf_counter()
    if who == "package":
        run, number_format = _package(case, device, requested)
    else:
        run, number_format = _ours(case, device, requested, recorded=pixels if who == "later" else None)
    built = time.perf_counter() - started
    seconds, memory = _timed(run, pixels, device)
    each = operations(run, pixels[:1])
    return {
        "case": name,
        "who": who,
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "format": number_format,
        "slices": slices,
        "prompts": prompts if case.detects else 0,
        "seconds": seconds,
        "build_seconds": built,
        "memory_mb": memory,
        "teraflop_each": each,
        "share_of_peak": each * slices / seconds / teraflops(device, number_format),
        "threads": torch.get_num_threads(),
    }


def _timed(run: Callable[[np.ndarray], Any], pixels: np.ndarray, device: str) -> tuple[float, float]:
    """Seconds, and MB that the run needed at most: of the GPU, or of this process beyond what it had before."""
    import torch

    cuda = device.startswith("cuda")
    if cuda:
        run(pixels[:32])
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    before = reset_peak_mb()
    started = time.perf_counter()
    run(pixels)
    if cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    return seconds, torch.cuda.max_memory_allocated() / 1e6 if cuda else peak_mb() - before


def _ours(
    case: NetworkCase, device: str, prompts: tuple[str, ...], *, recorded: np.ndarray | None
) -> tuple[Callable[[np.ndarray], Any], str]:
    """Each run of the detector starts from nothing, or knows the slices that were `recorded` with another word."""
    network, config = build(case)
    if case.detects:
        from Tell2RegLib.models.grounding_dino.detector import GroundingDinoDetector

        detector = GroundingDinoDetector(network, config, device=device, content="random")

        if recorded is not None:
            detector.detect(recorded, PROMPTS[-1:])

        def detect(slices: np.ndarray) -> None:
            if recorded is None:
                detector.feature_cache.clear()
            detector.detect(slices, prompts)

        return detect, detector.compute.format
    from Tell2RegLib.models.sam.segmenter import SamSegmenter

    size = case.image_size or config.image_size_px
    segmenter = SamSegmenter(network, device=device, image_size=size, content="random")
    return segmenter.embed, segmenter.compute.format


def _package(case: NetworkCase, device: str, prompts: tuple[str, ...]) -> tuple[Callable[[np.ndarray], Any], str]:
    """As the packages' examples do it: a slice and a prompt at a time, in fp32."""
    network, config = build(case)
    network.to(device)
    if not case.detects:
        from segment_anything import SamPredictor

        predictor = SamPredictor(network)

        def embed(slices: np.ndarray) -> None:
            for grey in slices:
                predictor.set_image(np.repeat(grey[..., None], 3, axis=-1))
                predictor.get_image_embedding().cpu()

        return embed, "fp32"
    return lambda slices: predict_each(network, config, slices, prompts, device), "fp32"


def predict_each(network: Any, config: Any, slices: np.ndarray, prompts: tuple[str, ...], device: str) -> None:
    """The package's predictor, a slice and a prompt at a time."""
    for grey in slices:
        image = package_image(config, grey)
        for prompt in prompts:
            package_output(network, image, prompt, device)


def package_image(config: Any, grey: np.ndarray) -> Any:
    """A slice as the package's transform prepares it, (3, H, W)."""
    import groundingdino.datasets.transforms as T
    from PIL import Image

    steps = [T.RandomResize([config.short_side_px], max_size=config.long_side_px), T.ToTensor()]
    transform = T.Compose([*steps, T.Normalize(config.pixel_mean, config.pixel_std)])
    return transform(Image.fromarray(np.repeat(grey[..., None], 3, axis=-1)), None)[0]


def package_output(network: Any, image: Any, prompt: str, device: str) -> tuple[Any, Any]:
    """groundingdino.util.inference's `predict`, whose module needs OpenCV: probabilities (Q, T) and boxes (Q, 4)."""
    import torch

    with torch.no_grad():
        answer = network(image.to(device)[None], captions=[prompt + "."])
    return answer["pred_logits"].cpu().sigmoid()[0], answer["pred_boxes"].cpu()[0]


def build(case: NetworkCase) -> tuple[Any, Any]:
    from Tell2RegLib.models.grounding_dino import network as detector_network
    from Tell2RegLib.models.sam import network as segmenter_network

    config: Any = case.architecture.config
    if case.detects:
        return detector_network.build_detector(config, detector_network.build_tokenizer(VOCABULARY)), config
    return segmenter_network.build_segmenter(config), config


def operations(run: Callable[[np.ndarray], Any], item: np.ndarray) -> float:
    """Tera floating point operations of one slice, as torch counts products."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run(item)
    return counter.get_total_flops() / 1e12


def teraflops(device: str, number_format: str, side: int | None = None) -> float:
    """What a large matrix product reaches here, in the same number format."""
    import torch

    from Tell2RegLib.models.inference import FORMATS

    side = side or MATRIX[device.split(":")[0]]
    matrix = torch.rand(side, side, device=device, dtype=FORMATS[number_format])
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # reading a number waits for the device
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best / 1e12


def main(case: str, who: str, device: str, slices: str, prompts: str) -> None:
    """Run and print; whatever the packages print goes to stderr."""
    warnings.simplefilter("ignore")
    answer = os.dup(1)
    os.dup2(2, 1)
    row = measure(case, who, device, int(slices), int(prompts))
    os.write(answer, json.dumps(row).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:6])
