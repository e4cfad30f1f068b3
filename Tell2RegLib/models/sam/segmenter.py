"""SAM (or MedSAM) as a Segmenter: one embedding a slice, then boxes of any number of slices to masks in batches.

The same numbers as the package's SamPredictor in fp32, at the network's own input size. Two options change them, and
make CPUs bearable: 16-bit products (masks overlap with those of fp32 by more than 0.99), and a smaller input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.errors import InputError, ModelError
from Tell2RegLib.models.inference import Precision, batch_size, check_of, choose, in_batches
from Tell2RegLib.models.official_checkpoints import content_hash, load_official
from Tell2RegLib.models.protocol import Box, Embeddings, Mask, SliceStack
from Tell2RegLib.models.sam.decoder import decode, to_slice
from Tell2RegLib.models.sam.encoder import SamEncoder
from Tell2RegLib.models.sam.network import SegmenterConfig, build_segmenter
from Tell2RegLib.models.slice_preparation import check_slices, long_side_size, normalised, resized
from Tell2RegLib.support.progress import Check, StepProgress

CPU_IMAGE_SIZE = 512
"""Input side on a CPU for slices of at most that size: several times as fast as 1024 (docs/benchmarks.md), for slices
that have no more detail to show. The embedding is 32 x 32 then."""

ENCODER_COPIES = 30
"""Token features alive at once while a slice is encoded, roughly: hidden layer, queries, keys, values, windows."""

DECODER_COPIES = 24
"""Embedding-sized arrays alive at once while a box is decoded, roughly; the finest layers are the largest."""


class SamSegmenter:
    """Boxes to masks, slices to embeddings.

    Args:
        network: a segment_anything Sam with its weights.
        title: of the model in words; `name` adds all that embeddings and masks depend on.
        device, precision: see `inference.choose`.
        image_size: side of the network's input in pixels. None: the network's own, but 512 on a CPU for slices of up
            to 512 pixels. Slices that are to be compared need the same.
        batch: slices at once; None: as memory allows.
        content: SHA-256 of the weights where it is known already; otherwise it is computed, a second a gigabyte.
    """

    def __init__(
        self,
        network: Any,
        *,
        title: str = "SAM",
        device: str = "auto",
        precision: Precision = "auto",
        image_size: int | None = None,
        batch: int | None = None,
        content: str | None = None,
    ) -> None:
        self.title = title
        self.compute = choose(device, precision)
        self.network = network.eval().to(self.compute.device)
        self.patch = int(network.image_encoder.patch_embed.proj.kernel_size[0])
        if image_size is not None and (image_size < self.patch or image_size % self.patch):
            raise InputError(f"An image size of {image_size} cannot be used: take a multiple of {self.patch}.")
        self.image_size = image_size
        self.batch = batch
        self.content = content or content_hash(network)
        size_text = f"{image_size} px" if image_size else f"{self.compute.device.type} size"
        self.name = f"{title} {self.content[:12]}, {size_text}, {self.compute.format}"
        self._encoders: dict[int, SamEncoder] = {}

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Any], config: SegmenterConfig, *, source: str = "The checkpoint", **options: Any
    ) -> SamSegmenter:
        """From the weights of an official checkpoint.

        Args:
            tensors: name -> tensor (`checkpoint.read_tensors`).
            config: which SAM they are of.
            source: the file in words, for the error.
            options: of the class.

        Raises:
            ModelError: they are not of such a network.
        """
        network = build_segmenter(config)
        load_official(network, tensors, architecture=options.get("title", "SAM"), source=source)
        return cls(network, **options)

    def model(self, image_size: int) -> str:
        """What `Embeddings.model` says of embeddings made at an input size."""
        return f"{self.title} {self.content[:12]}, {image_size} px"

    def size_for(self, slice_hw: tuple[int, int]) -> int:
        """Side of the network's input for slices of a size."""
        native_size = int(self.network.image_encoder.img_size)
        if self.image_size is not None:
            return self.image_size
        small = self.compute.device.type == "cpu" and max(slice_hw) <= CPU_IMAGE_SIZE
        return min(native_size, CPU_IMAGE_SIZE) if small else native_size

    # --- slices to embeddings ---

    def embed(self, slices: SliceStack, *, step: StepProgress | None = None) -> Embeddings:
        """Features of every slice, float32; float16 where they were computed in 16 bits.

        Masks decoded from float32 features rounded to float16 would differ in more pixels than the comparison with the
        package allows; features that come from 16-bit products lose nothing by it.
        `step` is also called between the layers, so that a large network can be cancelled soon.

        Raises:
            InputError: these are not 8-bit slices.
            ResourceError: not even one slice fits into memory.
        """
        check_slices(slices)
        slice_hw = (int(slices.shape[1]), int(slices.shape[2]))
        size = self.size_for(slice_hw)
        side = size // self.patch
        channels = self.network.mask_decoder.transformer_dim
        features = np.empty((len(slices), channels, side, side), np.float16 if self.compute.is_half else np.float32)

        def work(start: int, stop: int) -> None:
            check = check_of(step, start, len(slices))
            # straight into its place and rounded on the device: half of the bytes to bring back
            torch.from_numpy(features[start:stop]).copy_(self._encode(slices[start:stop], size, check))

        for _ in in_batches(
            len(slices), self._slices_at_once(size), work, task=f"Embedding by {self.title}", step=step
        ):
            pass
        used = long_side_size(slice_hw, size)
        covered = (used[0] / self.patch, used[1] / self.patch)
        return Embeddings(features, covered, slice_hw, self.model(size))

    def _encode(self, slices: SliceStack, size: int, check: Check) -> Tensor:
        """(S, C, H, W) of slices (S, J, I)."""
        network = self.network
        picture = resized(slices, long_side_size((slices.shape[1], slices.shape[2]), size))
        mean, std = (values.flatten().tolist() for values in (network.pixel_mean, network.pixel_std))
        with self.compute.running():
            images = normalised(picture, mean, std, self.compute.device)
            images = torch.nn.functional.pad(images, (0, size - images.shape[3], 0, size - images.shape[2]))
            if size not in self._encoders:
                self._encoders[size] = SamEncoder(network.image_encoder, size, self.compute)
            return self._encoders[size](images, check)

    def _slices_at_once(self, size: int) -> int:
        width = self.network.image_encoder.patch_embed.proj.out_channels
        number = self.compute.dtype.itemsize
        bytes_each = (size / self.patch) ** 2 * width * ENCODER_COPIES * number
        return batch_size(self.compute, bytes_each=bytes_each, pixels_each=size * size, requested=self.batch)

    # --- boxes to masks ---

    def segment(
        self, embeddings: Embeddings, boxes: Sequence[Box], *, step: StepProgress | None = None
    ) -> tuple[Mask, ...]:
        """One mask a box, in the order of the boxes; `step` counts boxes.

        Raises:
            ModelError: the embeddings are not this model's.
            InputError: a box lies on a slice that there is not.
            ResourceError: not even one box fits into memory.
        """
        size = self._size_of(embeddings)
        for box in boxes:
            if not 0 <= box.slice_index < len(embeddings):
                raise InputError(f"There is no slice {box.slice_index} for a box: there are {len(embeddings)} slices.")

        def work(start: int, stop: int) -> list[Mask]:
            return self._decode(embeddings, boxes[start:stop], size)

        at_once = self._boxes_at_once(embeddings)
        batches = in_batches(len(boxes), at_once, work, task=f"Segmentation by {self.title}", step=step)
        return tuple(mask for batch in batches for mask in batch)

    def _size_of(self, embeddings: Embeddings) -> int:
        size = embeddings.features.shape[-1] * self.patch
        own_model = self.model(size)
        if embeddings.model != own_model:
            raise ModelError(
                f"These embeddings were made by '{embeddings.model}', not by '{own_model}': embed the slices again."
            )
        return size

    def _decode(self, embeddings: Embeddings, boxes: Sequence[Box], size: int) -> list[Mask]:
        device = self.compute.device
        input_hw = long_side_size(embeddings.slice_hw, size)
        slice_numbers, slice_of_box = np.unique([box.slice_index for box in boxes], return_inverse=True)
        with self.compute.running():
            features = torch.from_numpy(embeddings.features[slice_numbers]).to(device).float()
            features = features[torch.from_numpy(slice_of_box.reshape(-1)).to(device)]
            corners = torch.from_numpy(_in_input(boxes, embeddings.slice_hw, input_hw)).to(device)
            logits, quality = decode(self.network, features, corners, size)
            logits = to_slice(logits, size, input_hw, embeddings.slice_hw)
            masks = (logits > self.network.mask_threshold).cpu().numpy()
        return [Mask(*mask_values) for mask_values in zip(boxes, masks, quality.tolist(), strict=True)]

    def _boxes_at_once(self, embeddings: Embeddings) -> int:
        _, channels, height, width = embeddings.features.shape
        bytes_each = channels * height * width * 4 * DECODER_COPIES
        return batch_size(self.compute, bytes_each=bytes_each, pixels_each=height * width * 64, requested=self.batch)


def _in_input(boxes: Sequence[Box], slice_hw: tuple[int, int], input_hw: tuple[int, int]) -> NDArray[np.float32]:
    """(B, 4): boxes in pixels of the network's input."""
    row_scale, column_scale = (
        input_size / slice_size for input_size, slice_size in zip(input_hw, slice_hw, strict=True)
    )
    edges = np.array([box.xyxy_px for box in boxes], np.float64).reshape(-1, 4)
    return (edges * (column_scale, row_scale, column_scale, row_scale)).astype(np.float32)
