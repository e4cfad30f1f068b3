"""A folder of models beside a server, and what is in it."""

from __future__ import annotations

from pathlib import Path

from Tell2RegLib.models.catalogue.download import Patience, install
from Tell2RegLib.models.catalogue.installed import Store, part_files
from Testing.Python.model_server import (
    DATA,
    Server,
    a_catalog,
    a_model,
)


class Installation:
    """A folder of models, one model that the server has, and the pauses that were made."""

    def __init__(self, folder: Path, server: Server, **changes: object) -> None:
        self.server = server
        self.model = a_model(server, **changes)  # type: ignore[arg-type]
        self.store = Store(folder, a_catalog(self.model))
        self.path = self.store.path(self.model)
        self.part = part_files(self.path)[0]
        self.pauses: list[float] = []
        self.reports: list[tuple[str, int, int]] = []

    def install(self, **patience: object):
        return install(
            self.store,
            self.model,
            progress=lambda *step: self.reports.append(step),
            patience=Patience(**{"sleep": self.pauses.append, "timeout_s": 5.0, **patience}),  # type: ignore[arg-type]
        )

    def left(self) -> set[str]:
        detected = {p.name for p in self.path.parent.iterdir()} if self.path.parent.exists() else set()
        return {name.replace(self.path.name, "X") for name in detected if not name.endswith(".lock")}

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.server.asked]


def is_whole(installation: Installation) -> bool:
    return (
        installation.path.read_bytes() == DATA
        and installation.left() == {"X", "X.json"}
        and installation.store.status(installation.model) == "verified"
    )
