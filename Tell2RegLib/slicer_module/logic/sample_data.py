"""The demo pair in Slicer's Sample Data module: a worker makes it while the window goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from Tell2RegLib.errors import Cancelled, Tell2RegError

if TYPE_CHECKING:
    from Tell2RegLib.slicer_module.run.runs import Runs
    from Tell2RegLib.worker.requests import DemoReply

NAME = "Tell2Reg demo pair"


class DemoSample:
    """The entry of the Sample Data module."""

    def __init__(self) -> None:
        self._runs: Runs | None = None

    def load(self, _source: Any = None) -> list[Any]:
        """Make the pair and add it to the scene; returns the nodes when they are there, and handles events meanwhile.

        Nothing is added when the scene is closed first, and a second call meanwhile does nothing.
        """
        if self._runs is not None:
            return []
        # here, since Slicer imports this file when it starts
        from Tell2RegLib.slicer_module.logic.core import DEMO
        from Tell2RegLib.slicer_module.run.application import makeRuns
        from Tell2RegLib.slicer_module.scene.sample_data import addDemoPair
        from Tell2RegLib.worker.requests import DemoRequest

        nodes: list[Any] = []

        def add(reply: DemoReply) -> None:
            demo = addDemoPair(slicer.mrmlScene, reply)
            nodes.extend((demo.fixed, demo.moving, demo.plan, demo.truth))

        scene, runs = slicer.mrmlScene, makeRuns()
        tag = scene.AddObserver(scene.StartCloseEvent, lambda *_about: runs.cancel())
        self._runs = runs
        slicer.util.showStatusMessage(_("Generating the Tell2Reg demo pair ..."))
        try:
            runs.start(DEMO, DemoRequest(), add, wait=True)
        except Cancelled:
            pass
        except Tell2RegError as error:
            slicer.util.errorDisplay(str(error))
        finally:
            self._runs = None
            scene.RemoveObserver(tag)
            runs.close()
            slicer.util.showStatusMessage("")
        return nodes


def registerSampleData() -> None:
    """Offer the pair in Slicer's Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Tell2Reg",
        sampleName=NAME,
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=DemoSample().load,
    )
