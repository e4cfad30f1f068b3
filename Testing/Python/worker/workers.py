"""Requests of the odd worker, and what a client leaves behind."""

from __future__ import annotations

from pathlib import Path

from Tell2RegLib.slicer_module.run.worker_folders import is_running
from Tell2RegLib.worker.requests import ModelsRequest

ODD = "Testing.Python.worker.odd_worker"


def that(behaviour: str) -> ModelsRequest:
    return ModelsRequest("install", behaviour)


def run_folders(position: Path) -> list[Path]:
    return list(position.glob("*/run-*"))


def running_and_no_zombie(pid: int) -> bool:
    """An orphan that was killed stays listed until the system's first process has noticed."""
    status = Path(f"/proc/{pid}/stat")
    if status.exists():
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    return is_running(pid)
