"""Where three made-up settings are found: run by test_one_place.py in a copy of the project that declares them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from Tell2RegLib.cli.main import app
from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.results.record import record_of
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.support.settings import recorded
from Tell2RegLib.worker import exchange
from Testing.Python.by_words import a_bench
from Testing.Python.slicer_module.conftest import a_clinic_with, a_panel_with, clinic, standin  # noqa: F401
from Testing.settings_page import page

TOO_MUCH = "'glow_mm' is 12, but must be a number above 0 and at most 9 mm."


def test_the_help_of_the_command_offers_them() -> None:
    text = " ".join(
        CliRunner().invoke(app, ["register", "--help"], env={"COLUMNS": "200"}).output.replace("│", " ").split()
    )
    assert "--glow" in text
    assert "How far it glows. In mm. [default: 2.5]" in text
    assert "How much it shines. [default: 3]" in text
    assert "--doubt" in text
    assert "How far it is doubted. In mm. [default: 6.0]" in text


def test_terminal_and_library_say_the_same_of_a_value_out_of_range() -> None:
    words = ["register", "--fixed", "a", "--moving", "b", "--out", "c", "--glow", "12"]
    assert TOO_MUCH in " ".join(CliRunner().invoke(app, words, env={"COLUMNS": "200"}).output.replace("│", " ").split())
    with pytest.raises(InputError) as library:
        FitSettings(glow_mm=12)
    assert str(library.value) == TOO_MUCH


def test_the_worker_gets_them(tmp_path: Path) -> None:
    sent = (FitSettings(glow_mm=4.5), FindOptions(shine=5), TrustSettings(doubt_mm=7.5))
    exchange.write(sent, tmp_path, "request")
    assert exchange.read(tuple, tmp_path, "request") == sent


def test_the_record_has_them() -> None:
    bench = a_bench()
    words = replace(bench.words("prostate"), options=recorded(FindOptions(shine=6)))
    plan = PointList(("target",), np.zeros((1, 3)))
    result = bench.run(
        words, settings=FitSettings(kind="rigid", glow_mm=4.5), plan=plan, trust=TrustSettings(doubt_mm=7.5)
    )
    parameters = record_of(result)["provenance"]["parameters"]
    assert parameters["glow_mm"] == 4.5
    assert parameters["options"]["shine"] == 6
    assert parameters["trust"]["doubt_mm"] == 7.5


def test_the_page_of_the_documents_lists_them() -> None:
    assert "| `glow_mm` | `--glow` | 2.5 mm | a number above 0 and at most 9 mm | How far it glows. |" in page()
    assert "| `shine` | `--shine` | 3 | a whole number of at least 1 | How much it shines. |" in page()
    assert "| `doubt_mm` | `--doubt` | 6 mm | a number of at least 0 mm | How far it is doubted. |" in page()


def test_the_panel_has_a_row_for_each_and_its_runs_get_what_was_chosen(clinic) -> None:  # noqa: F811
    ui, parameters = clinic.ui, clinic.parameters
    assert (parameters.glowMm, parameters.shine, parameters.doubtMm) == (2.5, 3, 6.0)
    assert (ui.glowMmLabel.text, ui.shineLabel.text, ui.doubtMmLabel.text) == ("Glow, mm:", "Shine:", "Doubt, mm:")
    assert ui.glowMm.toolTip == "How far it glows. In mm. Default: 2.5."
    assert not ui.transformAdvanced.isHidden()
    assert (ui.glowMm.maximum, ui.glowMm.decimals, ui.shine.minimum) == (9, 2, 1)
    ui.shine.value = 5
    clinic.find()
    assert clinic.client.request.options.shine == 5
    ui.glowMm.value = 4.5
    clinic.fit()
    assert clinic.client.request.settings.glow_mm == 4.5
    assert not clinic.logic.fitIsOld
    ui.glowMm.value = 1.0
    assert clinic.logic.fitIsOld

    clinic.fit()
    ui.doubtMm.value = 7.5
    clinic.logic.saveReport("a report")
    assert clinic.client.request.trust.doubt_mm == 7.5


def test_the_parameter_node_says_the_same_of_a_value_out_of_range(clinic) -> None:  # noqa: F811
    with pytest.raises(InputError) as node:
        clinic.parameters.glowMm = 12.0
    assert str(node.value) == TOO_MUCH
    with pytest.raises(InputError) as script:
        clinic.logic.registerVolumes(
            clinic.parameters.fixedVolume, clinic.parameters.movingVolume, ["organ"], glowMm=12.0
        )
    assert str(script.value) == TOO_MUCH
