"""Builds GroundingDINO networks of any size from the package's classes, without downloads.

The checkpoint holds all of BERT, so only its vocabulary is needed besides. `SWIN_T` and `SWIN_B` are the two official
sizes, layer for layer; `DEMO` is the small network whose weights ship with the project (Resources/DemoWeights).
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """The numbers that describe one GroundingDINO.

    Args:
        embed_dim, depths, num_heads, window_size, pretrain_size_px: the Swin backbone.
        absolute_position: whether the backbone adds a learned position to its patches (not in the official sizes).
        drop_path: share of backbone blocks skipped at random while training.
        out_stages: which of the backbone's stages (0..3) feed the transformer.
        num_feature_levels: levels of the transformer; those beyond `out_stages` are made by strided convolution.
        enc_layers, dec_layers, num_queries, nheads, dim_feedforward, points: the transformer.
        hidden_dim: its width; the package's code for text positions is made for 256 only.
        fusion_drop_path: share of text-image fusions skipped at random while training.
        bert_*: the text encoder, in the words of transformers' BertConfig.
        max_text_len: tokens of a caption; the package's own limit is 256.
        short_side_px, long_side_px: a slice is resized, aspect kept, until its short side measures the first, or its
            long side the second if that comes first.
        pixel_mean, pixel_std: of the three channels, for values 0..1.
    """

    embed_dim: int
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window_size: int
    pretrain_size_px: int
    absolute_position: bool = False
    drop_path: float = 0.2
    out_stages: tuple[int, ...] = (1, 2, 3)
    num_feature_levels: int = 4
    enc_layers: int = 6
    dec_layers: int = 6
    num_queries: int = 900
    nheads: int = 8
    dim_feedforward: int = 2048
    points: int = 4
    hidden_dim: int = 256
    fusion_drop_path: float = 0.1
    bert_vocab_size: int = 30522
    bert_hidden_size: int = 768
    bert_num_hidden_layers: int = 12
    bert_num_attention_heads: int = 12
    bert_intermediate_size: int = 3072
    bert_max_position_embeddings: int = 512
    max_text_len: int = 256
    short_side_px: int = 800
    long_side_px: int = 1333
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN
    pixel_std: tuple[float, float, float] = IMAGENET_STD

    def as_fields(self) -> dict[str, Any]:
        """Name -> value, as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> DetectorConfig:
        """The config of `as_fields`, also after a way through JSON.

        >>> DetectorConfig.from_fields(SWIN_T.as_fields()) == SWIN_T
        True
        """
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**values)


SWIN_T = DetectorConfig(
    embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24), window_size=7, pretrain_size_px=224
)
"""GroundingDINO_SwinT_OGC."""

SWIN_B = DetectorConfig(
    embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), window_size=12, pretrain_size_px=384
)
"""GroundingDINO_SwinB_cogcoor."""

DEMO = DetectorConfig(
    embed_dim=24,
    depths=(2, 2, 2, 1),
    num_heads=(2, 4, 6, 12),
    window_size=6,
    pretrain_size_px=112,
    absolute_position=True,
    drop_path=0.0,
    num_feature_levels=3,
    enc_layers=1,
    dec_layers=2,
    num_queries=30,
    dim_feedforward=256,
    fusion_drop_path=0.0,
    bert_vocab_size=128,
    bert_hidden_size=64,
    bert_num_hidden_layers=2,
    bert_num_attention_heads=2,
    bert_intermediate_size=128,
    bert_max_position_embeddings=256,
    short_side_px=96,
    long_side_px=160,
)
"""The network of the demo weights: about 2.5 mm a pixel on a slice of 240 mm."""


def build_tokenizer(vocabulary: str | Path) -> Any:
    """BERT's tokenizer (lower case) from a vocabulary file, one token a line; nothing is downloaded."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast(vocab_file=str(vocabulary), do_lower_case=True)


def build_detector(config: DetectorConfig, tokenizer: Any) -> torch.nn.Module:
    """A `groundingdino` GroundingDINO in evaluation mode with random weights.

    Args:
        config: its numbers.
        tokenizer: of the vocabulary that the weights were made with (`build_tokenizer`).
    """
    with _lock, _quietly():
        package = import_package()
        with _replaced_text_loaders(package.get_tokenlizer, tokenizer, config):
            network = package.GroundingDINO(
                _build_backbone(config),
                _build_transformer(config),
                num_queries=config.num_queries,
                aux_loss=True,
                iter_update=True,
                query_dim=4,
                num_feature_levels=config.num_feature_levels,
                nheads=config.nheads,
                two_stage_type="standard",
                dec_pred_bbox_embed_share=True,
                two_stage_class_embed_share=False,
                two_stage_bbox_embed_share=False,
                dn_number=0,
                sub_sentence_present=True,
                max_text_len=config.max_text_len,
            )
    network.max_text_len = config.max_text_len  # the class keeps its own 256
    return network.eval()


def _build_backbone(config: DetectorConfig) -> torch.nn.Module:
    import torch
    from groundingdino.models.GroundingDINO.backbone.backbone import Joiner
    from groundingdino.models.GroundingDINO.backbone.position_encoding import PositionEmbeddingSineHW
    from groundingdino.models.GroundingDINO.backbone.swin_transformer import SwinTransformer

    with torch.device("cpu"):  # it reads numbers from tensors while it is built, which a meta device cannot
        swin = SwinTransformer(
            pretrain_img_size=config.pretrain_size_px,
            embed_dim=config.embed_dim,
            depths=list(config.depths),
            num_heads=list(config.num_heads),
            window_size=config.window_size,
            ape=config.absolute_position,
            drop_path_rate=config.drop_path,
            out_indices=config.out_stages,
            use_checkpoint=False,
        )
    position = PositionEmbeddingSineHW(config.hidden_dim // 2, temperatureH=20, temperatureW=20, normalize=True)
    joined = Joiner(swin, position)
    joined.num_channels = [swin.num_features[stage] for stage in config.out_stages]
    return joined


def _build_transformer(config: DetectorConfig) -> torch.nn.Module:
    from groundingdino.models.GroundingDINO.transformer import Transformer

    return Transformer(
        d_model=config.hidden_dim,
        nhead=config.nheads,
        num_queries=config.num_queries,
        num_encoder_layers=config.enc_layers,
        num_decoder_layers=config.dec_layers,
        dim_feedforward=config.dim_feedforward,
        dropout=0.0,
        activation="relu",
        return_intermediate_dec=True,
        query_dim=4,
        num_feature_levels=config.num_feature_levels,
        enc_n_points=config.points,
        dec_n_points=config.points,
        learnable_tgt_init=True,
        two_stage_type="standard",
        embed_init_tgt=True,
        use_text_enhancer=True,
        use_fusion_layer=True,
        use_text_cross_attention=True,
        text_dropout=0.0,
        fusion_dropout=0.0,
        fusion_droppath=config.fusion_drop_path,
    )


def _build_bert(config: DetectorConfig) -> torch.nn.Module:
    from transformers import BertConfig, BertModel

    fields = {name: value for name, value in config.as_fields().items() if name.startswith("bert_")}
    return BertModel(BertConfig(**{name.removeprefix("bert_"): value for name, value in fields.items()}))


# --- the package, without what it would fetch, draw or say ---

_lock = threading.Lock()

_UNUSED = {"visualizer": "COCOVisualizer", "slconfig": "SLConfig"}
"""Modules of groundingdino.util that only draw or read config files; they bring OpenCV, pycocotools, addict, yapf."""


def import_package() -> ModuleType:
    """groundingdino's model module; OpenCV and its like are not imported on the way."""
    name = "groundingdino.models.GroundingDINO.groundingdino"
    if name in sys.modules:
        return sys.modules[name]
    stand_ins = {}
    for module, member in _UNUSED.items():
        full_name = f"groundingdino.util.{module}"
        if full_name not in sys.modules:
            stand_ins[full_name] = ModuleType(full_name)
            setattr(stand_ins[full_name], member, None)
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module(name)
    finally:
        for full_name in stand_ins:
            del sys.modules[full_name]


@contextmanager
def _replaced_text_loaders(loader: ModuleType, tokenizer: Any, config: DetectorConfig) -> Iterator[None]:
    """The network asks this module for its tokenizer and BERT, which would download both."""
    original_loaders = loader.get_tokenlizer, loader.get_pretrained_language_model
    loader.get_tokenlizer = lambda _: tokenizer  # type: ignore[attr-defined]
    loader.get_pretrained_language_model = lambda _: _build_bert(config)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        loader.get_tokenlizer, loader.get_pretrained_language_model = original_loaders  # type: ignore[attr-defined]


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the package's warnings about timm's module names and its own compiled parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
