"""The module `SampleData`: what a module registers is kept, and the test downloads it by name."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import slicer


@dataclass(frozen=True)
class SampleDataSource:
    """One entry of the Sample Data module."""

    sampleName: str | None = None
    uris: Any = None
    fileNames: Any = None
    nodeNames: Any = None
    customDownloader: Any = None
    thumbnailFileName: str | None = None
    loadFileTypes: Any = None
    loadFiles: Any = None
    loadFileProperties: Any = None
    checksums: Any = None


class SampleDataLogic:
    """Registers and downloads."""

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", loadFileType: Any = None, **values: Any) -> None:
        """Keep a source, once; a thumbnail must be a file, or the panel of Slicer shows an empty button."""
        source = SampleDataSource(**{"loadFileTypes": loadFileType} | values)
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if source not in sources:
            sources.append(source)

    def downloadSample(self, name: str) -> Any:
        """The nodes of a registered sample with a downloader of its own."""
        for sources in slicer.modules.sampleDataSources.values():
            for source in sources:
                if source.sampleName == name:
                    nodes = source.customDownloader(source)
                    return nodes[0] if isinstance(nodes, list) and len(nodes) == 1 else nodes
        raise KeyError(f"No sample is called {name}")

    downloadSamples = downloadSample


def as_module() -> ModuleType:
    """As `SampleData`."""
    module = ModuleType("SampleData", __doc__)
    module.SampleDataLogic, module.SampleDataSource = SampleDataLogic, SampleDataSource  # type: ignore[attr-defined]
    module.downloadSample = module.downloadSamples = lambda name: SampleDataLogic().downloadSample(name)  # type: ignore[attr-defined]
    return module
