"""Statistics of the training scans, by which a volume unlike them is recognised (models/training_domain.py)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from Tell2RegLib.models.demo_weights import demo_segmenter
from Tell2RegLib.models.training_domain import TrainingDomain
from Tell2RegLib.phantom import make_pair
from Tell2RegLib.region_sources.suitability import features_of_volume
from Tell2RegLib.space.volume import Volume

SUBJECT = "the synthetic pelvis of the demo"


def pairs_of_volumes(seeds: Iterable[int]) -> Iterator[Volume]:
    """The fixed and the moving volume of each seed, as the demo makes them."""
    for seed in seeds:
        pair = make_pair(seed)
        yield from (pair.fixed.volume, pair.moving.volume)


def write_domain(volumes: Iterable[Volume], folder: Path) -> TrainingDomain:
    """Compute the statistics of volumes and write them as domain.json, beside the weights."""
    segmenter = demo_segmenter(device="cpu")
    domain = TrainingDomain.of(SUBJECT, [features_of_volume(volume, segmenter) for volume in volumes])
    (folder / "domain.json").write_text(json.dumps(domain.as_record(), indent=None) + "\n", encoding="utf-8")
    return domain
