"""Networks from numbers: the official layouts, and the packages' own classes without their downloads."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from Tell2RegLib.models.grounding_dino import network as detector_network
from Tell2RegLib.models.grounding_dino.network import SWIN_B, SWIN_T, build_detector, build_tokenizer
from Tell2RegLib.models.sam import network as segmenter_network
from Tell2RegLib.models.sam.network import VIT_B, VIT_H, VIT_L, build_segmenter

torch = pytest.importorskip("torch")
pytest.importorskip("groundingdino", reason="pip install Tell2Reg[networks]")
pytest.importorskip("segment_anything", reason="pip install Tell2Reg[networks]")

ROOT = Path(__file__).resolve().parents[3]
DEMO_VOCABULARY = ROOT / "Resources" / "DemoWeights" / "vocab.txt"


def shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def a_tokenizer():
    return build_tokenizer(DEMO_VOCABULARY)


# Counts of the official checkpoints, less their two strays: bert.embeddings.position_ids and label_enc.weight.
@pytest.mark.parametrize(("config", "count", "width"), [(SWIN_T, 938, 96), (SWIN_B, 1106, 128)], ids=["T", "B"])
def test_official_detectors_have_the_official_layout(a_tokenizer, config, count: int, width: int) -> None:
    with torch.device("meta"):
        detected = shapes(build_detector(config, a_tokenizer))
    assert len(detected) == count
    assert detected["backbone.0.patch_embed.proj.weight"] == (width, 3, 4, 4)
    assert detected["backbone.0.layers.0.blocks.0.attn.relative_position_bias_table"] == (
        (2 * config.window_size - 1) ** 2,
        config.num_heads[0],
    )
    assert detected["bert.embeddings.word_embeddings.weight"] == (30522, 768)
    assert detected["bert.encoder.layer.11.output.dense.weight"] == (768, 3072)
    assert detected["feat_map.weight"] == (256, 768)
    assert detected["input_proj.3.0.weight"] == (256, 8 * width, 3, 3)
    assert detected["transformer.encoder.fusion_layers.5.attn.v_proj.weight"] == (1024, 256)
    assert detected["transformer.decoder.bbox_embed.5.layers.2.weight"] == (4, 256)
    assert detected["transformer.tgt_embed.weight"] == (900, 256)


@pytest.mark.parametrize(
    ("config", "count", "builder"),
    [(VIT_B, 314, "vit_b"), (VIT_L, 482, "vit_l"), (VIT_H, 594, "vit_h")],
    ids=["B", "L", "H"],
)
def test_official_segmenters_are_those_of_the_package(config, count: int, builder: str) -> None:
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        actual, expected = shapes(build_segmenter(config)), shapes(sam_model_registry[builder]())
    assert actual == expected
    assert len(actual) == count


def test_demo_networks_run(a_tokenizer) -> None:
    config = detector_network.DEMO
    detector = build_detector(config, a_tokenizer)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detected = detector(torch.zeros(2, 3, 120, 144), captions=["prostate .", "dog ."])
    assert detected["pred_logits"].shape == (2, config.num_queries, config.max_text_len)
    assert detected["pred_boxes"].shape == (2, config.num_queries, 4)
    size = segmenter_network.DEMO.image_size_px
    sam = build_segmenter(segmenter_network.DEMO)
    with torch.no_grad():
        batch = [{"image": torch.zeros(3, size, size), "original_size": (size, size), "boxes": torch.ones(2, 4)}]
        assert sam(batch, multimask_output=False)[0]["masks"].shape == (2, 1, size, size)


def test_words_that_the_demo_vocabulary_lacks_become_letters(a_tokenizer) -> None:
    tokens = a_tokenizer.convert_ids_to_tokens(a_tokenizer("Left femoral head . dog .")["input_ids"])
    assert tokens == ["[CLS]", "left", "femoral", "head", ".", "d", "##o", "##g", ".", "[SEP]"]
    assert len(a_tokenizer) == detector_network.DEMO.bert_vocab_size


def test_building_a_detector_brings_no_drawing_libraries_says_nothing_and_leaves_the_package_whole() -> None:
    code = f"""
import sys
from Tell2RegLib.models.grounding_dino.network import DEMO, build_detector, build_tokenizer
build_detector(DEMO, build_tokenizer({str(DEMO_VOCABULARY)!r}))
assert not {{"cv2", "supervision", "pycocotools", "matplotlib", "yapf"}} & set(sys.modules), sys.modules.keys()
assert "groundingdino.util.slconfig" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
