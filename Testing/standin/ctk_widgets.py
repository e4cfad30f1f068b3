"""The module `ctk`: the widgets of the Common Toolkit that scripted modules use, drawn much as CTK draws them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from Testing.standin.ctk_paths import ctkDirectoryButton, ctkPathLineEdit
from Testing.standin.pythonqt import QtCore, QtGui, QtWidgets, cpp_property, stored, teach

HEADER = 24
"""Height in pixels of the head of a collapsible button."""
TITLE = 18
"""And of the title of a group box."""
HIGHEST = 16777215
"""Qt's word for no limit."""


class Collapsing:
    """Hides the widgets inside; those that were hidden before stay so."""

    _folded = HEADER

    def _inside(self) -> list[Any]:
        return [child for child in QtCore.QObject.children(self) if child.isWidgetType()]  # type: ignore[arg-type]

    def _collapse(self, collapsed: bool) -> None:
        held = self.__dict__.setdefault("_hidden", [])
        if collapsed:
            held += [child for child in self._inside() if not child.isHidden()]
            for child in held:
                child.hide()
            self.setMaximumHeight(self._folded)  # type: ignore[attr-defined]
        else:
            self.setMaximumHeight(HIGHEST)  # type: ignore[attr-defined]
            for child in held:
                child.show()
            held.clear()
        self.updateGeometry()  # type: ignore[attr-defined]

    def fold_what_came_later(self) -> None:
        """A .ui file sets `collapsed` before there is anything inside."""
        if not self.isChecked():  # type: ignore[attr-defined]
            self._collapse(True)


@teach
class ctkCollapsibleButton(QtWidgets.QAbstractButton, Collapsing):
    """A head that folds what is below it."""

    contentsCollapsed = QtCore.Signal(bool)
    collapsedHeight, setCollapsedHeight = stored(int, "collapsedHeight", 10)
    flat, setFlat = stored(bool, "flat", False)
    contentsLineWidth, setContentsLineWidth = stored(int, "contentsLineWidth", 1)

    def __init__(self, *arguments: Any) -> None:
        words = [value for value in arguments if isinstance(value, str)]
        super().__init__(*[value for value in arguments if not isinstance(value, str)])
        self.setText(words[0] if words else "")
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, HEADER, 0, 0)
        self.toggled.connect(self._toggled)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)

    def _toggled(self, checked: bool) -> None:
        self._collapse(not checked)
        self.contentsCollapsed.emit(not checked)

    def _is_collapsed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = cpp_property(bool, _is_collapsed, setCollapsed)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < HEADER

    def paintEvent(self, _event: Any) -> None:
        painter, style = QtGui.QPainter(self), QtWidgets.QWidget.style(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.rect.width(), HEADER - 2)
        option.state |= QtWidgets.QStyle.State_Raised
        style.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option, painter, self)
        arrow = QtWidgets.QStyle.PE_IndicatorArrowDown if self.isChecked() else QtWidgets.QStyle.PE_IndicatorArrowRight
        option.rect = QtCore.QRect(6, 5, 12, 12)
        style.drawPrimitive(arrow, option, painter, self)
        painter.setPen(self.palette.color(QtGui.QPalette.ButtonText))
        line = QtCore.QRect(24, 0, self.rect.width() - 28, HEADER - 2)
        painter.drawText(line, int(QtCore.Qt.AlignVCenter | QtCore.Qt.AlignLeft), self.text)
        painter.end()


@teach
class ctkCollapsibleGroupBox(QtWidgets.QGroupBox, Collapsing):
    """A group box whose check mark folds it."""

    _folded = TITLE

    collapsedHeight, setCollapsedHeight = stored(int, "collapsedHeight", 14)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._toggled)

    def _toggled(self, checked: bool) -> None:
        self._collapse(not checked)

    def _is_collapsed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = cpp_property(bool, _is_collapsed, setCollapsed)


@teach
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box, of real numbers."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)
    tickInterval, setTickInterval = stored(float, "tickInterval", 0.0)
    popupSlider, setPopupSlider = stored(bool, "popupSlider", False)
    pageStep, setPageStep = stored(float, "pageStep", 10.0)
    invertedAppearance, setInvertedAppearance = stored(bool, "invertedAppearance", False)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._slider, self._spin = QtWidgets.QSlider(QtCore.Qt.Horizontal), QtWidgets.QDoubleSpinBox()
        self._slider.maximum = 1000
        self._spin.maximum = 99.0
        self._slider.objectName, self._spin.objectName = "Slider", "SpinBox"  # as CTK calls them
        row.addWidget(self._slider)
        row.addWidget(self._spin)
        self._exact = self._sent = 0.0
        self._setting = False
        self._spin.valueChanged.connect(self._spun)
        self._slider.sliderMoved.connect(self._slid)

    def _spun(self, value: float) -> None:
        """The spin box tells of a value, after every key where it tracks the keyboard."""
        if not self._setting and value != round(self._exact, self._spin.decimals):
            self._exact = value
            self._move()

    def _put(self, value: float) -> None:
        """Write into the spin box: its text is made anew."""
        self._exact, self._setting = value, True
        try:
            self._spin.setValue(value)
        finally:
            self._setting = False

    def _move(self) -> None:
        """Move the slider. What its place amounts to goes back into the spin box and out of the widget.

        CTK counts in steps, which loses the last bit of some values: 0.7 comes back as 0.7000000000000001.
        """
        step, low, high = self._spin.singleStep, self._spin.minimum, self._spin.maximum
        steps = round(self._exact / step)
        amounts_to = min(max(step * ((self._exact / step - steps) + steps), low), high)
        self._slider.value = int(round((amounts_to - low) / (high - low) * 1000)) if 0 < high - low < 1e9 else 0
        if amounts_to == self._sent:
            return
        self._sent = amounts_to
        if amounts_to != self._exact:
            self._put(amounts_to)
        self.valueChanged.emit(amounts_to)

    def _slid(self, position: int) -> None:
        self.setValue(self._spin.minimum + position / 1000 * (self._spin.maximum - self._spin.minimum))

    def _value(self) -> float:
        return self._sent

    def setValue(self, value: float) -> None:
        if value != self._exact:
            self._put(min(max(value, self._spin.minimum), self._spin.maximum))
            self._move()

    def _minimum(self) -> float:
        return self._spin.minimum

    def setMinimum(self, value: float) -> None:
        self._spin.setMinimum(value)

    def _maximum(self) -> float:
        return self._spin.maximum

    def setMaximum(self, value: float) -> None:
        self._spin.setMaximum(value)

    def setRange(self, low: float, high: float) -> None:
        self._spin.setRange(low, high)

    def _single_step(self) -> float:
        return self._spin.singleStep

    def setSingleStep(self, value: float) -> None:
        self._spin.setSingleStep(value)

    def _decimals(self) -> int:
        return self._spin.decimals

    def setDecimals(self, value: int) -> None:
        self._spin.setDecimals(value)
        self.decimalsChanged.emit(value)

    def _suffix(self) -> str:
        return self._spin.suffix

    def setSuffix(self, text: str) -> None:
        self._spin.setSuffix(text)

    def _prefix(self) -> str:
        return self._spin.prefix

    def setPrefix(self, text: str) -> None:
        self._spin.setPrefix(text)

    def _tracking(self) -> bool:
        return self._slider.tracking

    def setTracking(self, tracking: bool) -> None:
        self._slider.setTracking(tracking)

    def _spin_visible(self) -> bool:
        return not self._spin.isHidden()

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._spin.setVisible(visible)

    value = cpp_property(float, _value, setValue)
    minimum = cpp_property(float, _minimum, setMinimum)
    maximum = cpp_property(float, _maximum, setMaximum)
    singleStep = cpp_property(float, _single_step, setSingleStep)
    decimals = cpp_property(int, _decimals, setDecimals)
    suffix = cpp_property(str, _suffix, setSuffix)
    prefix = cpp_property(str, _prefix, setPrefix)
    tracking = cpp_property(bool, _tracking, setTracking)
    spinBoxVisible = cpp_property(bool, _spin_visible, setSpinBoxVisible)


@teach
class ctkDoubleSpinBox(ctkSliderWidget):
    """A spin box of real numbers."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._slider.hide()


@teach
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for no choice."""

    defaultText, setDefaultText = stored(str, "defaultText", "")


@teach
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box."""


@teach
class ctkPushButton(QtWidgets.QPushButton):
    """A button."""


@teach
class ctkMenuButton(QtWidgets.QPushButton):
    """A button with a menu."""


@teach
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser as high as its text."""

    def setCollapsibleText(self, text: str) -> None:
        self.setHtml(text)


@teach
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to come again."""

    dontShowAgain, setDontShowAgain = stored(bool, "dontShowAgain", False)
    dontShowAgainSettingsKey, setDontShowAgainSettingsKey = stored(str, "dontShowAgainSettingsKey", "")


CLASSES = {
    klass.__name__: klass
    for klass in (
        *(ctkCollapsibleButton, ctkCollapsibleGroupBox, ctkSliderWidget, ctkDoubleSpinBox, ctkComboBox, ctkCheckBox),
        *(ctkPushButton, ctkMenuButton, ctkFittedTextBrowser, ctkPathLineEdit, ctkDirectoryButton, ctkMessageBox),
    )
}


class CtkModule(ModuleType):
    """Only what is listed above."""

    def __getattr__(self, name: str) -> Any:
        if name in CLASSES:
            return CLASSES[name]
        raise AttributeError(f"The stand-in for Slicer knows no ctk.{name}")


ctk = CtkModule("ctk", "Stand-in for the Common Toolkit.")
