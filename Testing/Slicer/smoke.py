"""The module is there, light, opens, and reloads with its library; needs no package that Slicer lacks."""

import importlib.util
import sys
import time

import slicer

LONGEST_IMPORT_S = 0.2
LIBRARY_AND_MODULE = {"Tell2Reg", "Tell2RegLib"}
HEAVY = ("torch", "torchvision", "transformers", "groundingdino", "segment_anything", "matplotlib")


def run():
    """All of it."""
    is_known_and_light()
    imports_quickly()
    opens()
    reloads_with_its_library()


def is_known_and_light():
    assert hasattr(slicer.modules, "tell2reg"), "Slicer did not load the module: see its messages above."
    loaded = [name for name in HEAVY if name in sys.modules]
    assert not loaded, f"Slicer's start loaded {loaded}."


def imports_quickly():
    """The module's file and all that it imports, as at Slicer's start."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in LIBRARY_AND_MODULE}
    try:
        spec = importlib.util.spec_from_file_location("Tell2Reg", slicer.util.modulePath("Tell2Reg"))
        module = importlib.util.module_from_spec(spec)
        started = time.perf_counter()
        spec.loader.exec_module(module)
        seconds = time.perf_counter() - started
    finally:
        sys.modules.update(before)
    assert seconds < LONGEST_IMPORT_S, f"Importing Tell2Reg.py took {seconds:.2f} s."


def opens():
    slicer.util.selectModule("Tell2Reg")
    slicer.app.processEvents()
    assert slicer.util.selectedModule() == "Tell2Reg"
    assert panel().panel is not None, "setup() did not finish: see the messages above."
    loaded = [name for name in HEAVY if name in sys.modules]
    assert not loaded, f"Opening the panel loaded {loaded}."


def reloads_with_its_library():
    import Tell2RegLib

    first, version = panel(), Tell2RegLib.__version__
    Tell2RegLib.__version__ = "changed"
    first.onReload()
    slicer.app.processEvents()
    assert panel() is not first
    assert panel().panel is not None
    assert sys.modules["Tell2RegLib"].__version__ == version, "The library was not reloaded."


def panel():
    """The module's widget, in Python."""
    return slicer.util.getModuleWidget("Tell2Reg")
