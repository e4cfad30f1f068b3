"""Every architecture of a detector and a segmenter, once: its name in the catalogue, its title, its numbers.

Another size of SAM or GroundingDINO is a line here and an entry in Resources/Models.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from Tell2RegLib.models.grounding_dino import network as detector_network
from Tell2RegLib.models.grounding_dino.network import DetectorConfig
from Tell2RegLib.models.sam import network as segmenter_network
from Tell2RegLib.models.sam.network import SegmenterConfig

Config = TypeVar("Config", DetectorConfig, SegmenterConfig)


@dataclass(frozen=True)
class Architecture(Generic[Config]):
    """One network.

    Args:
        name: in Resources/Models.json.
        title: in print.
        config: its numbers.
        shipped: whether its weights come with the project, and its numbers with the weights.
    """

    name: str
    title: str
    config: Config
    shipped: bool = False


DETECTORS: dict[str, Architecture[DetectorConfig]] = {
    architecture.name: architecture
    for architecture in (
        Architecture("swin-t", "GroundingDINO Swin-T", detector_network.SWIN_T),
        Architecture("swin-b", "GroundingDINO Swin-B", detector_network.SWIN_B),
        Architecture("demo", "GroundingDINO of the demo", detector_network.DEMO, shipped=True),
    )
}
SEGMENTERS: dict[str, Architecture[SegmenterConfig]] = {
    architecture.name: architecture
    for architecture in (
        Architecture("vit-b", "SAM ViT-B", segmenter_network.VIT_B),
        Architecture("vit-l", "SAM ViT-L", segmenter_network.VIT_L),
        Architecture("vit-h", "SAM ViT-H", segmenter_network.VIT_H),
        Architecture("demo", "SAM of the demo", segmenter_network.DEMO, shipped=True),
    )
}
NAMES_BY_ROLE = {"detector": tuple(DETECTORS), "segmenter": tuple(SEGMENTERS)}
