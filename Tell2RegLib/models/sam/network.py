"""SAM built from numbers: segment_anything's own classes in any size, no file read.

`VIT_B`, `VIT_L` and `VIT_H` are the official sizes (MedSAM is a `VIT_B`); `DEMO` is the small network whose weights
ship with the project (Resources/DemoWeights).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SegmenterConfig:
    """The numbers that describe one SAM.

    Args:
        embed_dim, depth, num_heads, global_attn_indexes, window_size: the image encoder.
        image_size_px: side of its square input; a slice's long side is resized to it, the rest is padding.
        patch_size_px: side of one token.
        out_chans: channels of the embedding, and width of the prompt encoder and mask decoder.
        mask_in_chans: the prompt encoder's path for masks.
        decoder_depth, decoder_heads, decoder_mlp_dim, num_multimask_outputs, iou_head_hidden_dim: the mask decoder.
        pixel_mean, pixel_std: of the three channels, for values 0..255.
    """

    embed_dim: int
    depth: int
    num_heads: int
    global_attn_indexes: tuple[int, ...]
    window_size: int = 14
    image_size_px: int = 1024
    patch_size_px: int = 16
    out_chans: int = 256
    mask_in_chans: int = 16
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    num_multimask_outputs: int = 3
    iou_head_hidden_dim: int = 256
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    @property
    def embedding_size(self) -> int:
        """Side of the embedding, in tokens."""
        return self.image_size_px // self.patch_size_px

    def as_fields(self) -> dict[str, Any]:
        """Name -> value, as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> SegmenterConfig:
        """The config of `as_fields`, also after a way through JSON.

        >>> SegmenterConfig.from_fields(VIT_B.as_fields()) == VIT_B
        True
        """
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**values)


VIT_B = SegmenterConfig(embed_dim=768, depth=12, num_heads=12, global_attn_indexes=(2, 5, 8, 11))
VIT_L = SegmenterConfig(embed_dim=1024, depth=24, num_heads=16, global_attn_indexes=(5, 11, 17, 23))
VIT_H = SegmenterConfig(embed_dim=1280, depth=32, num_heads=16, global_attn_indexes=(7, 15, 23, 31))
DEMO = SegmenterConfig(
    embed_dim=96,
    depth=4,
    num_heads=3,
    global_attn_indexes=(2,),
    window_size=8,
    image_size_px=256,
    patch_size_px=8,
    out_chans=128,
    decoder_mlp_dim=128,
    iou_head_hidden_dim=128,
)
"""The network of the demo weights: 1.1 mm a pixel on a slice of 288 mm."""


def build_segmenter(config: SegmenterConfig) -> Any:
    """A `segment_anything` Sam in evaluation mode with random weights."""
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    encoder = ImageEncoderViT(
        depth=config.depth,
        embed_dim=config.embed_dim,
        img_size=config.image_size_px,
        mlp_ratio=4,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        num_heads=config.num_heads,
        patch_size=config.patch_size_px,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=config.global_attn_indexes,
        window_size=config.window_size,
        out_chans=config.out_chans,
    )
    prompts = PromptEncoder(
        embed_dim=config.out_chans,
        image_embedding_size=(config.embedding_size, config.embedding_size),
        input_image_size=(config.image_size_px, config.image_size_px),
        mask_in_chans=config.mask_in_chans,
    )
    decoder = MaskDecoder(
        num_multimask_outputs=config.num_multimask_outputs,
        transformer=TwoWayTransformer(
            depth=config.decoder_depth,
            embedding_dim=config.out_chans,
            mlp_dim=config.decoder_mlp_dim,
            num_heads=config.decoder_heads,
        ),
        transformer_dim=config.out_chans,
        iou_head_depth=3,
        iou_head_hidden_dim=config.iou_head_hidden_dim,
    )
    sam = Sam(encoder, prompts, decoder, pixel_mean=list(config.pixel_mean), pixel_std=list(config.pixel_std))
    return sam.eval()
