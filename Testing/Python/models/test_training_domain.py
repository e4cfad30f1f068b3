"""Statistics of what weights were trained on: scans like it, scans unlike it, and their file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.protocol import Embeddings
from Tell2RegLib.models.training_domain import CLASSES, Features, TrainingDomain, features_of, read_domain

CHANNELS = 4


def features(seed: int, brightness: int = 90, channel_mean: float = 0.0) -> Features:
    """Of a scan with noise about a grey value, and embeddings about a mean."""
    rng = np.random.default_rng(seed)
    slices = np.clip(rng.normal(brightness, 25, (3, 20, 24)), 0, 255).astype(np.uint8)
    cells = rng.normal(channel_mean, 1.0, (3, CHANNELS, 8, 8)).astype(np.float32)
    return features_of(slices, Embeddings(cells, (6.7, 8.0), (20, 24), "test"))


@pytest.fixture(scope="module")
def domain() -> TrainingDomain:
    return TrainingDomain.of("noise", [features(seed) for seed in range(12)])


def test_scans_like_the_training_scans_are_known(domain: TrainingDomain) -> None:
    assert max(domain.distance(features(seed)) for seed in range(100, 140)) <= 1


def test_either_statistic_recognises_a_scan_that_is_unlike_them(domain: TrainingDomain) -> None:
    assert domain.distance(features(100, brightness=170)) > 2
    assert domain.distance(features(100, channel_mean=1.0)) > 2


def test_the_padding_of_embeddings_does_not_count() -> None:
    slices = np.full((2, 20, 24), 90, np.uint8)
    cells = np.zeros((2, CHANNELS, 8, 8), np.float32)
    cells[:, :, 7:] = 5.0
    values = features_of(slices, Embeddings(cells, (6.7, 8.0), (20, 24), "test"))
    assert not values["embedding"].any()
    assert values["intensity"].shape == (CLASSES,)
    assert values["intensity"].sum() == 1


def test_the_file_gives_the_same_distances(domain: TrainingDomain, tmp_path: Path) -> None:
    path = tmp_path / "domain.json"
    path.write_text(json.dumps(domain.as_record()))
    again, scan = read_domain(path), features(100, brightness=120)
    assert (again.subject, again.scans) == ("noise", 12)
    assert again.distance(scan) == pytest.approx(domain.distance(scan), rel=1e-3)


@pytest.mark.parametrize("text", ["", "{}", '{"subject": "x", "scans": 2, "statistics": {"embedding": 3}}'])
def test_a_damaged_file_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "domain.json"
    path.write_text(text)
    with pytest.raises(ModelError, match="missing or damaged"):
        read_domain(path)
