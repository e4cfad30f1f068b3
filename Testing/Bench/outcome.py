"""What every tool is to the bench, and what it leaves."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from Tell2RegLib.space.displacement_field import DisplacementField
from Testing.Bench.cases import Case


@dataclass(frozen=True, eq=False)
class Outcome:
    """A tool's result.

    Args:
        forward: fixed to moving, on the fixed grid; None when the tool was only timed.
        backward: its inverse on the moving grid, where the tool gives one.
        seconds: what to report instead of the measured time of the call; `remark` says why.
        remark: what the table must say about this run.
    """

    forward: DisplacementField | None
    backward: DisplacementField | None = None
    seconds: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class Tool:
    """A tool under test.

    Args:
        title: its name in the table.
        package: what must be importable; `pip` the name to install it by.
        setting: how it was set and why, one sentence or two for docs/benchmarks.md.
        load: does the imports, before the clock starts.
        fit: from regions in memory to fields.
    """

    title: str
    package: str
    pip: str
    setting: str
    load: Callable[[], object]
    fit: Callable[[Case], Outcome]

    @property
    def installed(self) -> bool:
        """Whether its package can be found."""
        return importlib.util.find_spec(self.package) is not None
