"""What both trainings share: the schedule, averaged weights, checkpoints that let a run end at any time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Args:
        steps, batch: of slices.
        rate: the largest learning rate; it rises over the first twentieth and falls along a cosine.
        seed: of everything drawn.
        every: steps between checkpoints.
        average: how much of the averaged weights stays at each step.
        near_misses: of the detector: share of slices that lack an organ which slices nearby hold, and are asked for it.
        removed: of the detector: share of slices of subjects that lack an organ altogether, and are asked for it.
        until: the step at which to end before the schedule does.
    """

    steps: int
    batch: int
    rate: float
    seed: int = 1
    every: int = 250
    average: float = 0.998
    near_misses: float = 0.0
    removed: float = 0.0
    until: int | None = None

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        rise = max(1, self.steps // 20)
        if step < rise:
            return self.rate * (step + 1) / rise
        return self.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, self.steps - rise))))


class Average:
    """Weights averaged over the last steps, which score better than the last ones."""

    def __init__(self, network: torch.nn.Module, keep: float) -> None:
        self.keep, self.step = keep, 0
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self.changing = [name for name, value in self.values.items() if value.is_floating_point()]

    def add(self, network: torch.nn.Module) -> None:
        """Take one step's weights in; the first steps are forgotten soon."""
        import torch

        self.step += 1
        keep = min(self.keep, self.step / (self.step + 10))
        now = network.state_dict()
        torch._foreach_lerp_([self.values[n] for n in self.changing], [now[n] for n in self.changing], 1 - keep)


def train(
    network: torch.nn.Module,
    loss_of: Callable[[np.random.Generator, int], Tensor],
    schedule: Schedule,
    out: Path,
    score: Callable[[torch.nn.Module], dict[str, Any]] | None = None,
) -> None:
    """Minimise a loss; `out` always holds the averaged weights of the last checkpoint, and a log beside it.

    Args:
        network: changed in place; ends with the averaged weights. It may have been taught before.
        loss_of: (random numbers, step) -> the loss of one batch.
        schedule: how long and how fast.
        out: file of the checkpoint (torch.save); the log has its name and .jsonl.
        score: what to log of the averaged weights at each checkpoint.
    """
    import torch

    torch.manual_seed(schedule.seed)
    rng = np.random.default_rng(schedule.seed)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.rate, weight_decay=1e-4)
    average = Average(network, schedule.average)
    started, losses = time.monotonic(), []
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_suffix(".jsonl").open("w") as log:
        log.write(json.dumps(asdict(schedule)) + "\n")
        until = schedule.until or schedule.steps
        for step in range(until):
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate_at(step)
            network.train()
            loss = loss_of(rng, step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            average.add(network)
            losses.append(float(loss.detach()))
            last = step + 1 == until
            if last or (step + 1) % schedule.every == 0 or (step + 1) in (20, 100):
                entry = {"step": step + 1, "loss": float(np.mean(losses[-100:]))}
                entry["seconds"] = time.monotonic() - started
                _save(average.values, out)
                if score is not None and (step + 1) % schedule.every == 0:
                    entry |= _scored(network, average, score)
                log.write(json.dumps(entry) + "\n")
                log.flush()
    network.load_state_dict(average.values)
    network.eval()


def _save(values: dict[str, Tensor], out: Path) -> None:
    import torch

    unfinished = out.with_suffix(".part")
    torch.save(values, unfinished)
    unfinished.replace(out)


def _scored(network: torch.nn.Module, average: Average, score: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The score of the averaged weights; the network's own come back."""
    trained_weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
    network.load_state_dict(average.values)
    network.eval()
    try:
        return score(network)
    finally:
        network.load_state_dict(trained_weights)
