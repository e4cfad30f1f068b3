"""What a person would be asked: every dialog is recorded and answered by what the test laid out, and none blocks.

standin.answers.expect("Yes")                     the next question is answered with Yes
standin.answers.expect("/a/folder")               the next file dialog gives this path
standin.answers.dialogs.append(fill_and_accept)   the next QDialog.exec_ calls this with the dialog
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from Testing.standin.pythonqt import QtGui, QtWidgets

QMessageBox = QtWidgets.QMessageBox


class Unanswered(AssertionError):
    """A dialog that the test did not expect."""


@dataclass(frozen=True)
class Message:
    """One message box: its kind ("information", "warning", "critical", "question" or "noicon"), text and title."""

    kind: str
    text: str
    title: str = ""
    details: str = ""
    buttons: tuple[str, ...] = ()


@dataclass
class Answers:
    """What was shown, and what to answer."""

    messages: list[Message] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    dialogs: list[Callable[[Any], Any]] = field(default_factory=list)
    waiting: list[Any] = field(default_factory=list)

    def expect(self, *answers: Any) -> None:
        """Answers of the next questions, in order: the name of a button, a path, a text."""
        self.waiting.extend(answers)

    def clear(self) -> None:
        for item in (self.messages, self.status, self.opened, self.dialogs, self.waiting):
            item.clear()

    def next(self, question: str) -> Any:
        if not self.waiting:
            raise Unanswered(f"Nobody answers: {question}")
        return self.waiting.pop(0)

    def message(self, message: Message, buttons: int) -> int:
        """Record it, and give the button that is pressed; a box with one button needs no answer."""
        offered = buttons_of(buttons)
        self.messages.append(message)
        if len(offered) <= 1:
            return int(next(iter(offered.values()), QMessageBox.Ok))
        answer = self.next(f"{message.title}: {message.text} {list(offered)}")
        if answer not in offered:
            raise Unanswered(f"'{answer}' is no button of: {message.text} {list(offered)}")
        return int(offered[answer])

    @property
    def texts(self) -> list[str]:
        """The texts of all messages so far."""
        return [message.text for message in self.messages]


answers = Answers()


def buttons_of(buttons: int) -> dict[str, int]:
    """The standard buttons in a sum of them, by name."""
    return {
        button.name: int(button)
        for button in QMessageBox.StandardButton
        if int(button) & int(buttons)
        and button.name not in {"NoButton", "NoAll", "YesAll", "FirstButton", "LastButton"}
    }


def _kind(icon: int) -> str:
    return {int(item): item.name.lower() for item in QMessageBox.Icon}[int(icon)]


def box_shown(box: Any) -> int:
    """What `exec_` of a message box does here."""
    custom = {item.text.replace("&", ""): item for item in box.buttons() if item.text != "Show Details..."}
    standard = int(box.standardButtons)
    titles = tuple(buttons_of(standard)) or tuple(custom)
    message = Message(_kind(box.icon), box.text, box.windowTitle.strip(), box.detailedText, titles)
    if len(buttons_of(standard)) == len(custom):
        return answers.message(message, standard)
    answers.messages.append(message)
    wanted = answers.next(f"{box.text} {list(custom)}")
    if wanted not in custom:
        raise Unanswered(f"'{wanted}' is no button of: {box.text} {list(custom)}")
    custom[wanted].click()
    return 0


def dialog_shown(dialog: Any) -> int:
    """What `exec_` of any other dialog does here."""
    if isinstance(dialog, QMessageBox):
        return box_shown(dialog)
    if not answers.dialogs:
        raise Unanswered(f"Nobody answers the dialog '{dialog.windowTitle}' ({type(dialog).__name__})")
    dialog.show()
    answers.dialogs.pop(0)(dialog)
    if dialog.visible:
        dialog.reject()
    return int(dialog.result())


def _static_box(kind: str, default: int) -> Callable[..., int]:
    def show(_parent: Any, title: str, text: str, buttons: int = default, _default_button: int = 0) -> int:
        return answers.message(Message(kind, text, title, "", tuple(buttons_of(buttons))), int(buttons))

    return show


def _path(_parent: Any = None, caption: str = "", _start: str = "", *_rest: Any) -> str:
    return str(answers.next(f"file dialog '{caption}'"))


def _paths(_parent: Any = None, caption: str = "", _start: str = "", *_rest: Any) -> tuple[str, ...]:
    return tuple(str(path) for path in answers.next(f"file dialog '{caption}'"))


def _input(_parent: Any, title: str, label: str, *_rest: Any) -> Any:
    return answers.next(f"{title}: {label}")


def _open(url: Any) -> bool:
    answers.opened.append(url.toString())
    return True


def teach_dialogs() -> None:
    """Every way of Qt to ask a person goes through `answers`."""
    yes_no = QMessageBox.Yes | QMessageBox.No
    for kind, default in {"question": yes_no, "information": 1024, "warning": 1024, "critical": 1024}.items():
        setattr(QMessageBox, kind, staticmethod(_static_box(kind, int(default))))
    for klass in (QtWidgets.QDialog, QMessageBox):
        klass.exec = klass.exec_ = dialog_shown  # type: ignore[assignment, attr-defined]
    files = QtWidgets.QFileDialog
    for name in ("getExistingDirectory", "getOpenFileName", "getSaveFileName"):
        setattr(files, name, staticmethod(_path))
    files.getOpenFileNames = staticmethod(_paths)  # type: ignore[assignment]
    for name in ("getText", "getMultiLineText", "getItem", "getInt", "getDouble"):
        setattr(QtWidgets.QInputDialog, name, staticmethod(_input))
    QtGui.QDesktopServices.openUrl = staticmethod(_open)  # type: ignore[assignment]


teach_dialogs()
