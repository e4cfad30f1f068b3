"""Which scenarios there are, and the line that each leaves at its end; for launch.py and, in Slicer, run_all.py."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
REPORT_VARIABLE = "TELL2REG_SCENARIO_REPORT"
"""Environment variable: the file that takes the outcomes, one JSON object per line."""


@dataclass(frozen=True)
class Outcome:
    """How a scenario ended, as it says itself.

    Args:
        scenario: its name.
        failures: what went wrong, as texts; empty when it passed.
        seconds: how long it took.
    """

    scenario: str
    failures: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing went wrong."""
        return not self.failures


def scenario_files() -> dict[str, Path]:
    """The scenarios by name: the files of this folder with a function `run()`."""
    files = sorted(FOLDER.glob("*.py"))
    return {path.stem: path for path in files if re.search(r"^def run\(\)", path.read_text("utf-8"), re.MULTILINE)}


def append(path: str | Path, outcome: Outcome) -> None:
    """Add a line to the report."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")


def read(path: str | Path) -> dict[str, Outcome]:
    """The outcomes by scenario; none where no report was written, and a line that breaks off does not count."""
    outcomes = {}
    for line in Path(path).read_text("utf-8").splitlines() if Path(path).is_file() else ():
        try:
            fields = json.loads(line)
            outcome = Outcome(fields["scenario"], tuple(fields["failures"]), fields["seconds"])
        except (ValueError, KeyError, TypeError):
            continue
        outcomes[outcome.scenario] = outcome
    return outcomes
