"""Pictures of the panel for the documents, one per step: a session on the demo pair, played on the stand-in.

python -m Testing.screenshots           (or: make screenshots; two minutes)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "Resources" / "Screenshots"
WIDTH = 600
"""Of the pictures, in pixels: the panel as people have it beside their views."""
STEPS = {
    "imagesStep": "panel-1-images",
    "promptsStep": "panel-2-prompts",
    "regionsStep": "panel-3-regions",
    "transformStep": "panel-4-transform",
    "planStep": "panel-5-plan",
}
"""The pictures by the step that is open in them."""


def grab(widget, folder: Path, steps=tuple(STEPS), width: int = WIDTH) -> None:
    """Write pictures of the panel with one step open each.

    Args:
        widget: the module's widget.
        folder: for `panel-1-images.png` and so on; it must be there.
        steps: which, as in `STEPS`.
        width: of the pictures.
    """
    every = [getattr(widget.ui, name) for name in STEPS]
    before = [step.collapsed for step in every]
    widget.parent.window().show()  # what is not shown is not laid out
    for name in steps:
        for step in every:
            step.collapsed = step.objectName != name
        _lay_out(widget.parent, width)
        picture = folder / f"{STEPS[name]}.png"
        if not widget.parent.grab().save(str(picture)):
            raise OSError(f"The picture '{picture}' could not be written: look whether the folder is there.")
    for step, collapsed in zip(every, before, strict=True):
        step.collapsed = collapsed


def _lay_out(panel, width: int) -> None:
    """Give the panel its width and the height it then needs."""
    import slicer

    window = panel.window()
    for _ in range(4):  # tables and wrapped texts change their heights with the width
        slicer.app.processEvents()
        window.resize(window.width + width - panel.width, panel.minimumSizeHint.height())


def main() -> None:
    """Play as much of the session as the pictures show."""
    from Testing.standin import in_place

    with in_place() as standin, tempfile.TemporaryDirectory() as folder:
        standin.load_module(ROOT / "Tell2Reg" / "Tell2Reg.py")
        import slicer

        from Testing.Slicer.session import Session

        slicer.util.selectModule("Tell2Reg")
        widget = slicer.util.getModuleWidget("Tell2Reg")
        FOLDER.mkdir(exist_ok=True)
        session = Session(widget, Path(folder))
        session.loadTheDemoPair()
        grab(widget, FOLDER, ("imagesStep", "promptsStep"))
        session.findRegions()
        session.rejectAndAcceptAPair()
        grab(widget, FOLDER, ("regionsStep",))
        session.fit()
        grab(widget, FOLDER, ("transformStep",))
        session.propagateThePlan()
        grab(widget, FOLDER, ("planStep",))
        standin.unload_modules()
        standin.check()


if __name__ == "__main__":
    sys.exit(main())
