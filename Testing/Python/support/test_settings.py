"""Settings are declared once: the terminal, the page of the documents and the checks follow from the declaration."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from Tell2RegLib.cli.main import app
from Tell2RegLib.errors import FitDiverged, InputError, Tell2RegError, error_of
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.matching.settings import GeometrySettings, MatchSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.support.device import check_device, choose_device
from Tell2RegLib.support.settings import check_settings, offered_settings, setting, setting_of, settings_of
from Tell2RegLib.worker import exchange
from Testing.settings_page import PAGE, page

DECLARED = (FitSettings, FindOptions, TrustSettings, DetectionSettings, MatchSettings, GeometrySettings)
IN_THE_TERMINAL = (FindOptions, FitSettings, TrustSettings)


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """A settings class with one setting, declared here and nowhere else."""

    glow_mm: float = setting(2.5, "How far it glows.", unit="mm", above=0, high=9)

    def __post_init__(self) -> None:
        check_settings(self)


@pytest.mark.parametrize("value", [0, -1, 9.5, math.nan, math.inf, "wide", True])
def test_a_value_out_of_its_range_is_refused_with_the_range(value: object) -> None:
    with pytest.raises(InputError, match="'glow_mm' is .*, but must be a number above 0 and at most 9 mm"):
        MadeUp(glow_mm=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", DECLARED)
def test_every_field_is_declared_with_a_sentence_and_a_default_that_it_allows(settings: type) -> None:
    declared = settings_of(settings)
    fields = set(settings.__dataclass_fields__)  # type: ignore[attr-defined]
    assert {item.name for item in declared} == fields - {"geometry"}, "another settings class"
    for item in declared:
        assert item.help.endswith("."), item.name
        assert not item.problem(item.default), item.name


@pytest.mark.parametrize("settings", [FitSettings, FindOptions, TrustSettings])
def test_the_panels_range_lies_within_the_librarys(settings: type) -> None:
    for one in settings_of(settings):
        for end in one.usual or ():
            assert not one.problem(end), one.name
        assert one.usual is None or not one.narrowed().problem(one.default), one.name


def test_the_page_of_the_documents_is_the_one_that_the_declarations_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "Run `make docs`."


def test_a_setting_is_found_by_its_name() -> None:
    assert setting_of(FitSettings, "margin_mm").unit == "mm"


# --- the terminal ---


def text_of(*words: str) -> str:
    """What a command prints, as one line without frames."""
    return " ".join(CliRunner().invoke(app, words, env={"COLUMNS": "200"}).output.replace("│", " ").split())


def test_the_terminal_offers_every_setting_that_is_not_for_experts_and_no_other() -> None:
    text = text_of("register", "--help")
    offered = {one.option for settings in IN_THE_TERMINAL for one in offered_settings(settings)}
    experts = {one.option for settings in IN_THE_TERMINAL for one in settings_of(settings) if one.expert}
    assert {flag for flag in offered if flag in text.split()} == offered
    assert not {flag for flag in experts if flag in text.split()}


WRONG = [
    (FindOptions, "spacing_mm", 0.0, "--spacing", "'spacing_mm' is 0, but must be a number above 0 mm."),
    (FindOptions, "device", "gpu", "--device", "'device' is 'gpu', but must be auto, cpu, cuda or cuda:N."),
    (FitSettings, "smoothness", -1.0, "--smoothness", "'smoothness' is -1, but must be a number of at least 0."),
    (FitSettings, "kind", "b", "--transform", "'kind' is 'b', but must be one of auto, rigid, affine, svf, ffd, ddf."),
    (TrustSettings, "near_mm", -1.0, "--trust-near", "'near_mm' is -1, but must be a number of at least 0 mm."),
]


@pytest.mark.parametrize(("settings", "name", "value", "flag", "sentence"), WRONG, ids=[row[1] for row in WRONG])
def test_library_terminal_and_worker_say_the_same_of_a_value_that_is_out_of_range(
    settings: type, name: str, value: object, flag: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as library:
        settings(**{name: value})
    assert str(library.value) == sentence

    assert sentence in text_of("register", "--fixed", "a", "--moving", "b", "--out", "c", flag, str(value))

    exchange.write(settings(), tmp_path, "request")
    sent = json.loads((tmp_path / "request.json").read_text())
    sent["fields"][name] = value
    (tmp_path / "request.json").write_text(json.dumps(sent))
    with pytest.raises(InputError) as worker:
        exchange.read(settings, tmp_path, "request")
    assert str(worker.value) == sentence


# --- devices and errors ---


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_devices_have_one_grammar(name: str) -> None:
    assert not check_device(name)
    FitSettings(device=name)
    FindOptions(device=name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "", "cuda:0 "])
def test_other_words_are_no_devices_anywhere(name: str) -> None:
    for use in (lambda: FitSettings(device=name), lambda: FindOptions(device=name), lambda: choose_device(name)):
        with pytest.raises(InputError, match="auto, cpu, cuda or cuda:N"):
            use()


def test_an_error_of_another_process_keeps_its_class_and_its_words() -> None:
    message = str(FitDiverged(3, math.nan))
    again = error_of("FitDiverged", message)
    assert isinstance(again, FitDiverged)
    assert str(again) == message
    assert "step 3" in message
    assert type(error_of("SystemExit", "x")) is Tell2RegError


# --- the page on the method ---

ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]*) \|", re.MULTILINE)
NUMBER = re.compile(r"(\d+(?:\.\d+)?)( %)?")


def test_the_defaults_that_the_page_on_the_method_explains_are_the_declared_ones() -> None:
    page_on_the_method = (PAGE.parent / "words-to-regions.md").read_text(encoding="utf-8")
    declared = {one.name: one.default for s in DECLARED[3:] for one in settings_of(s)}
    compared = 0
    for names, cell in ROW.findall(page_on_the_method):
        defaults = [declared[name] for name in re.findall(r"\w+", names) if name in declared]
        numbers = [one for one in defaults if isinstance(one, (int, float)) and not isinstance(one, bool)]
        shown = [float(value) / (100 if percent else 1) for value, percent in NUMBER.findall(cell)]
        if numbers and shown:
            assert shown == pytest.approx(numbers), names
            compared += len(numbers)
    assert compared >= 15
