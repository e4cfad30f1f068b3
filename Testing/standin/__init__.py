"""A stand-in for Slicer's GUI side, so that the module runs in the tests without a Slicer.

The scene is real: Slicer's MRML library (slicer-core) with its nodes, logics, color tables, layouts and slice logics,
and Slicer's own slicer.util. The widgets are real too: Qt 6 (PySide6) where Slicer has Qt 5 with PythonQt. What lies
between is imitated here. What nobody wrote down here raises AttributeError with its name: nothing answers to all.

    with in_place() as standin:                 (the fixture `standin` of Testing/Python/slicer_module does it)
        module = standin.load_module(Path("Tell2Reg/Tell2Reg.py"))
        panel = module.widgetRepresentation().self()

Of PythonQt (pythonqt.py, qt_signals.py, qt_module.py):
- Qt properties are attributes, read and assigned: `button.text`, `button.text()` fails. A text takes only a text.
- Signals: `button.clicked.connect(f)`, `.disconnect(f)`, `.emit(...)`, `button.connect("clicked(bool)", f)`,
  `sender.connect("clicked()", receiver, "close()")`. Functions and methods get as many arguments as they have names
  for, also where those have default values; `clicked` brings the bool, "clicked()" nothing. A connection holds what it
  calls.
- A slot that raises leaves a traceback and everything goes on; the fixture fails the test at its end.
- An object of C++ takes no new attributes, slots cannot be overwritten; classes derived in Python take attributes.
- `name` is objectName; dynamic properties and named children are attributes; `className()`, `findChildren("QLabel")`.
- A destroyed object raises ValueError when a property is read. Lists from Qt are tuples. Enums, flags are integers.
- `qt.QTimer.singleShot` is a function, `timer.singleShot` a property. QColor, QTableWidgetItem and others that are no
  QObject have methods only.
- File dialogs give a text, not a pair as in PySide6.
Of Slicer:
- .ui files with the widgets of CTK and MRML and their connections (ui_files.py, ctk_*.py, mrml_widgets.py).
- ScriptedLoadableModule, its widget, logic and test; loading, entering, leaving and reloading (scripted_module.py).
- parameterNodeWrapper with ranges, choices, defaults, enums and nodes; connectGui for the widgets Slicer knows, and no
  others; values lie in the node as Slicer writes them (parameter_*.py).
- slicer.app with layout manager, settings (of its own folder), modules, readers and writers of scenes and nodes,
  Extensions Manager; a main window with status bar and module selector (application.py, built_in_modules.py,
  io_manager.py, views.py).
- Segments become surfaces and back; items of the subject hierarchy for new nodes (subject_hierarchy.py);
  slicer.packaging, slicer.i18n and SampleData, recorded.
- Questions never wait for a person: each is answered by what the test laid out, and one without an answer is an error
  (answers.py).

Stricter than Slicer, which prints a line or is silent: a signal that does not exist, a class, property or connection of
a .ui file that does not exist, a panel whose setup raises.
Not imitated: rendering, the panels of other modules, gestures in views, the reload section, translation, overloads by
QString, that Qt 5 lacks some names of Qt 6, parameter packs, lists and dicts in a parameter node, plugins of the
subject hierarchy beyond one item per node, terminologies.
"""

from Testing.standin.install import Standin, in_place

__all__ = ["Standin", "in_place"]
