"""The module `SampleData`: what a module registers is kept, and `press` is the button of the Sample Data panel."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import slicer


class SampleDataSource:
    """One entry of the Sample Data module.

    As in Slicer, uris, fileNames and so on are all a text, or all lists of one length; None for uris is a TypeError.
    """

    LISTS = ("uris", "fileNames", "nodeNames", "loadFiles", "loadFileTypes", "checksums")

    def __init__(self, sampleName: str | None = None, **given: Any) -> None:
        self.sampleName = sampleName
        self.customDownloader = given.pop("customDownloader", None)
        self.thumbnailFileName = given.pop("thumbnailFileName", None)
        self.loadFileProperties = given.pop("loadFileProperties", {})
        lists = {name: given.pop(name, None) for name in self.LISTS}
        assert not given, f"SampleDataSource knows no {sorted(given)}"
        if isinstance(lists["uris"], str):
            lists = {name: [value] for name, value in lists.items()}
        else:
            count = len(lists["uris"])
            for name in ("nodeNames", "loadFiles", "loadFileTypes", "checksums"):
                if lists[name] is None:
                    lists[name] = [None] * count
        lengths = {name: len(value) for name, value in lists.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"All fields of sample data source must have the same length: {lengths}")
        self.__dict__.update(lists)


class SampleDataLogic:
    """Registers; downloads nothing."""

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **values: Any) -> None:
        """Keep a source, once."""
        source = SampleDataSource(**values)
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if vars(source) not in [vars(item) for item in sources]:
            sources.append(source)


def press(name: str) -> Any:
    """What the button of a sample does that has a downloader of its own; downloadSample does not call that.

    Raises:
        KeyError: no such sample is registered.
    """
    for sources in slicer.modules.sampleDataSources.values():
        for source in sources:
            if source.sampleName == name:
                return source.customDownloader(source)
    raise KeyError(f"No sample is called {name}")


def as_module() -> ModuleType:
    """As `SampleData`."""
    module = ModuleType("SampleData", __doc__)
    module.SampleDataLogic, module.SampleDataSource = SampleDataLogic, SampleDataSource  # type: ignore[attr-defined]
    return module
