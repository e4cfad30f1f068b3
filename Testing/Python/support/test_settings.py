"""Settings are declared once: the terminal, the page of the documents and the checks follow from the declaration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import typer
from typer.testing import CliRunner

from Tell2RegLib.cli import options
from Tell2RegLib.errors import FitDiverged, InputError, Tell2RegError, error_of
from Tell2RegLib.evaluation.target_trust import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.support.device import check_device, choose_device
from Tell2RegLib.support.settings import check_settings, setting, setting_of, settings_of
from Testing.settings_page import PAGE, page

DECLARED = (FitSettings, FindOptions, TrustSettings)


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """A settings class with one setting, declared here and nowhere else."""

    glow_mm: float = setting(2.5, "How far it glows.", unit="mm", above=0, high=9)

    def __post_init__(self) -> None:
        check_settings(self)


def test_a_made_up_setting_is_found_in_the_help_with_its_default_and_its_range_is_checked() -> None:
    app = typer.Typer()
    option = options.option(MadeUp, "glow_mm", "--glow")

    def command(glow: float = MadeUp.glow_mm) -> None:
        typer.echo(f"glows {MadeUp(glow_mm=glow).glow_mm:g}")

    command.__annotations__["glow"] = options.Annotated[float, option]
    app.command()(command)
    text = " ".join(CliRunner().invoke(app, ["--help"]).output.replace("│", " ").split())
    assert "--glow" in text
    assert "How far it glows. In mm." in text
    assert "[default: 2.5]" in text
    assert CliRunner().invoke(app, ["--glow", "3"]).output == "glows 3\n"
    refused = CliRunner().invoke(app, ["--glow", "0"])
    assert refused.exit_code == 2
    assert "a number above 0 and at most 9 mm" in " ".join(refused.output.replace("│", " ").split())


@pytest.mark.parametrize("value", [0, -1, 9.5, math.nan, math.inf, "wide", True])
def test_a_value_out_of_its_range_is_refused_with_the_range(value: object) -> None:
    with pytest.raises(InputError, match="'glow_mm' is .*, but must be a number above 0 and at most 9 mm"):
        MadeUp(glow_mm=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", DECLARED)
def test_every_field_is_declared_with_a_sentence_and_a_default_that_it_allows(settings: type) -> None:
    declared = settings_of(settings)
    assert {one.name for one in declared} == set(settings.__dataclass_fields__)  # type: ignore[attr-defined]
    for one in declared:
        assert one.help.endswith("."), one.name
        assert not one.problem(one.default), one.name


def test_the_page_of_the_documents_is_the_one_that_the_declarations_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "Run `make docs`."


def test_a_setting_is_found_by_its_name() -> None:
    assert setting_of(FitSettings, "margin_mm").unit == "mm"


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
    told = str(FitDiverged(3, math.nan))
    again = error_of("FitDiverged", told)
    assert isinstance(again, FitDiverged)
    assert str(again) == told
    assert "step 3" in told
    assert type(error_of("SystemExit", "x")) is Tell2RegError
