"""Small GroundingDINOs and SAMs of random weights in the packages' real classes, and what the packages make of them."""

from __future__ import annotations

import functools
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from Tell2RegLib.models.grounding_dino.network import DEMO, DetectorConfig, build_detector, build_tokenizer
from Tell2RegLib.models.protocol import Box, SliceStack
from Tell2RegLib.models.sam.network import SegmenterConfig, build_segmenter

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "prostate", "left", "right", "hip", "blad", "##der")

DETECTOR = replace(
    DEMO, bert_vocab_size=len(WORDS), num_feature_levels=4, enc_layers=2, window_size=5, short_side_px=96
)
SEGMENTER = SegmenterConfig(
    embed_dim=32,
    depth=3,
    num_heads=2,
    global_attn_indexes=(1,),
    window_size=5,
    image_size_px=128,
    patch_size_px=8,
    out_chans=32,
    decoder_mlp_dim=64,
    iou_head_hidden_dim=32,
)

PROMPTS = ("Prostate", "left hip")


def some_slices(count: int, hw: tuple[int, int], seed: int = 0) -> SliceStack:
    """Noise with a bright rectangle, so that networks have something to look at."""
    slices = np.random.default_rng(seed).integers(0, 160, (count, *hw), dtype=np.uint8)
    slices[:, hw[0] // 4 : hw[0] // 2, hw[1] // 3 : hw[1] // 2] += 90
    return slices


def calls_of(module, monkeypatch) -> list[int]:
    """Batch sizes with which a module is called from now on."""
    sizes: list[int] = []
    real = module.forward

    def forward(*args, **kwargs):
        first = args[0] if args else next(iter(kwargs.values()))
        sizes.append(len(getattr(first, "tensors", first)))
        return real(*args, **kwargs)

    monkeypatch.setattr(module, "forward", forward)
    return sizes


@functools.cache
def small_tokenizer():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vocab.txt"
        file.write_text("\n".join(WORDS) + "\n")
        return build_tokenizer(file)


def small_detector(config: DetectorConfig = DETECTOR, seed: int = 0):
    """A GroundingDINO whose weights are nowhere at the zeros or ones that training starts from."""
    torch.manual_seed(seed)
    network = build_detector(config, small_tokenizer())
    for name, weight in network.named_parameters():
        last_of_boxes = "bbox_embed" in name and "layers.2" in name
        if last_of_boxes or any(part in name for part in ("offsets.w", "attention_weights.w", "position", "bias")):
            torch.nn.init.normal_(weight, 0.0, 0.05)
        elif "gamma" in name:
            torch.nn.init.constant_(weight, 0.5)
    return network


def small_segmenter(config: SegmenterConfig = SEGMENTER, seed: int = 0):
    """A SAM with positions that matter."""
    torch.manual_seed(seed)
    network = build_segmenter(config)
    for name, weight in network.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            torch.nn.init.normal_(weight, 0.0, 0.5)
    return network


# --- the packages' own predictors ---


def package_boxes(network, config: DetectorConfig, grey: np.ndarray, caption: str) -> tuple[np.ndarray, np.ndarray]:
    """Corners (Q, 4) in pixels and scores (Q,) by falling score: groundingdino.util.inference without OpenCV."""
    import groundingdino.datasets.transforms as T

    transform = T.Compose(
        [
            T.RandomResize([config.short_side_px], max_size=config.long_side_px),
            T.ToTensor(),
            T.Normalize(config.pixel_mean, config.pixel_std),
        ]
    )
    image, _ = transform(Image.fromarray(np.repeat(grey[..., None], 3, axis=-1)), None)
    outputs = _package_outputs(network, image[None], caption)
    scores = outputs["pred_logits"].cpu().sigmoid()[0].max(dim=1)[0]
    order = scores.argsort(descending=True)
    centre, size = outputs["pred_boxes"][0][order].split(2, dim=1)
    scale = torch.tensor([grey.shape[1], grey.shape[0]] * 2)
    return (torch.cat([centre - size / 2, centre + size / 2], dim=1) * scale).numpy(), scores[order].numpy()


def _package_outputs(network, images: torch.Tensor, caption: str) -> dict[str, torch.Tensor]:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old names of torch's
        return network(images, captions=[caption])


def package_phrase(network, grey: np.ndarray, config: DetectorConfig, caption: str, threshold: float) -> str:
    """The phrase of the best box."""
    from groundingdino.util.utils import get_phrases_from_posmap

    from Tell2RegLib.models.slice_preparation import normalised, resized, short_side_size

    hw = short_side_size(grey.shape, config.short_side_px, config.long_side_px)
    mean, std = ([255 * value for value in values] for values in (config.pixel_mean, config.pixel_std))
    image = normalised(resized(grey[None], hw), mean, std, torch.device("cpu"))
    logits = _package_outputs(network, image, caption)["pred_logits"].sigmoid()[0]
    best = logits[logits.max(dim=1)[0].argmax()]
    tokenized = network.tokenizer(caption)
    return get_phrases_from_posmap(best > threshold, tokenized, network.tokenizer).replace(".", "")


def package_masks(network, slices: SliceStack, boxes: list[Box]) -> tuple[np.ndarray, list[float], np.ndarray]:
    """Masks, qualities and embeddings of boxes, one after another by segment_anything's SamPredictor."""
    from segment_anything import SamPredictor

    predictor = SamPredictor(network)
    masks, qualities, features = [], [], []
    for box in boxes:
        predictor.set_image(np.repeat(slices[box.slice_index][..., None], 3, axis=-1))
        mask, quality, _ = predictor.predict(box=np.array(box.xyxy_px), multimask_output=False)
        masks.append(mask[0])
        qualities.append(float(quality[0]))
        features.append(predictor.features[0].numpy())
    return np.stack(masks), qualities, np.stack(features)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two masks."""
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 1.0


def boxes_on(slices: SliceStack, each: int = 2) -> list[Box]:
    """A few boxes on every slice, also beyond its edge, not in the order of the slices."""
    height, width = slices.shape[1:]
    shapes = [(0.1, 0.2, 0.7, 0.8), (-0.05, 0.3, 0.5, 1.05), (0.4, 0.1, 0.9, 0.45)][:each]
    scaled = [(a * width, b * height, c * width, d * height) for a, b, c, d in shapes]
    return [Box(index, "x", box, 0.5) for box in scaled for index in range(len(slices))]
