"""`tell2reg calibrate` and `register --calibration`, from files to files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from Tell2RegLib.calibration.interior import InteriorTrial, LearnedInterior
from Tell2RegLib.calibration.model import (
    Calibration,
    Origin,
    VolumeRange,
    read_calibration,
    write_calibration,
)
from Tell2RegLib.cases.table import read_cases
from Tell2RegLib.cli.main import app
from Tell2RegLib.errors import Cancelled, InputError
from Tell2RegLib.fitting.interior import FEATURES, TERMS, InteriorModel
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.matching import pairs_by_name
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.results.report.statements import remarks
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.space.volume import Volume, read_volume
from Tell2RegLib.trust.model_file import record_of, shipped_model
from Tell2RegLib.worker.requests import FitRequest
from Tell2RegLib.worker.tasks import TASKS, Run
from Tell2RegLib.workflows import validate as validate_workflow
from Tell2RegLib.workflows.calibrate import calibrate
from Tell2RegLib.workflows.register import register
from Testing.Python.cases.tables import write_table
from Testing.Python.small import PLAN, Files, affine_of, write_small_pair

MEAN = np.array([0.0, 0.0, 0.2, 0, 0, 0, 0, 0, 0])
VOLUMES = {
    "prostate": VolumeRange((10.0, 20.0), (10.0, 22.0)),
    "bladder": VolumeRange((15.0, 30.0), (15.0, 30.0)),
    "rectum": VolumeRange((8.0, 20.0), (8.0, 20.0)),
    "left femoral head": VolumeRange((5.0, 10.0), (5.0, 10.0)),
}


def a_calibration(**changes: Any) -> Calibration:
    calibration = Calibration(
        Origin(12, 9, 30, {"scanner": ("A", "B")}), VOLUMES, MEAN, np.diag(np.full(9, 0.01)), "The mean helped."
    )
    return replace(calibration, **changes)


def an_interior(used: bool = True) -> LearnedInterior:
    """The middle of the prostate lies further back, by 0.2 of the extent."""
    coefficients = np.zeros((len(FEATURES), len(TERMS)))
    coefficients[0, TERMS.index((1, (0, 0, 0)))] = 0.2
    trials = (InteriorTrial(30.0, 0.3, 0.1),)
    return LearnedInterior(InteriorModel("prostate", coefficients), used, 12, 9, "It helped.", trials)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_small_pair(tmp_path_factory.mktemp("pair"))


def contents_of(pair: Files) -> dict[str, Any]:
    fixed, moving = (read_volume(pair.inputs[f"--{side}"]) for side in ("fixed", "moving"))
    regions = {
        f"{side}_regions": read_regions(pair.inputs[f"--{side}-regions"], volume.grid)
        for side, volume in (("fixed", fixed), ("moving", moving))
    }
    return {"fixed": fixed, "moving": moving, **regions}


def prostates_of(pair: Files) -> dict[str, Any]:
    """The pair with one region, which says little of its rotation."""
    contents = contents_of(pair)
    names = ("fixed_regions", "moving_regions")
    return {**contents, **{name: [r for r in contents[name] if r.name == "prostate"] for name in names}}


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    written = a_calibration(trials=({"candidate": "mean", "gain": 1.0},), estimated={"mean": [0.0] * 9})
    write_calibration(written, tmp_path / "c.json")
    read = read_calibration(tmp_path / "c.json")
    assert (read.origin, read.regions, read.reason) == (written.origin, written.regions, written.reason)
    assert (read.trials, read.estimated) == (written.trials, written.estimated)
    np.testing.assert_array_equal(read.mean, written.mean)
    np.testing.assert_array_equal(read.covariance, written.covariance)


def test_a_file_keeps_the_models_of_insides(tmp_path: Path) -> None:
    write_calibration(a_calibration(interiors=(an_interior(used=True), an_interior(used=False))), tmp_path / "c.json")
    read = read_calibration(tmp_path / "c.json")
    assert [interior.used for interior in read.interiors] == [True, False]
    assert read.interiors[0].trials == an_interior().trials
    np.testing.assert_array_equal(read.interiors[1].model.coefficients, an_interior().model.coefficients)
    assert [model.region for model in read.interior_models] == ["prostate"], "only what helped"


def test_a_calibration_without_spread_takes_that_of_the_settings() -> None:
    settings = FitSettings(rotation_spread_deg=3.0)
    prior = a_calibration(covariance=None).prior(settings)
    np.testing.assert_array_equal(prior.mean, MEAN)
    np.testing.assert_array_equal(prior.covariance, LinearPrior.from_settings(settings).covariance)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.update(format="other"), "is not a calibration"),
        (lambda r: r.update(schema_version=2), "schema version 2"),
        (lambda r: r["origin"].update(patients=-1), "-1 is not a count"),
        (lambda r: r["regions_ml"]["rectum"].update(fixed=[5, 1]), "is not a range of volumes"),
        (lambda r: r["linear_offset"].update(mean=[0.0] * 8), "nine finite numbers"),
        (lambda r: r["linear_offset"].update(mean=[4.0] + [0.0] * 8), "below 180 degrees"),
        (lambda r: r["linear_offset"].update(covariance=np.zeros((9, 9)).tolist()), "positive definite"),
        (lambda r: r.pop("linear_offset"), "damaged"),
        (lambda r: r.update(regions_ml=[]), "damaged"),
        (lambda r: r["interiors"][0].update(coefficients=[[1.0]]), "finite coefficients"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, change: Any, sentence: str) -> None:
    path = tmp_path / "c.json"
    write_calibration(a_calibration(interiors=(an_interior(),)), path)
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=sentence):
        read_calibration(path)


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for name in ("missing.json", "broken.json"):
        with pytest.raises(InputError, match="cannot be read as a calibration"):
            read_calibration(tmp_path / name)


def test_regions_of_other_names_or_sizes_are_not_covered(pair: Files) -> None:
    contents = contents_of(pair)
    pairs = pairs_by_name(contents["fixed_regions"], contents["moving_regions"])
    assert a_calibration().why_not(pairs) == ""
    without = {name: volumes for name, volumes in VOLUMES.items() if name != "rectum"}
    assert a_calibration(regions=without).why_not(pairs).endswith("not from 'rectum'.")
    small = {**VOLUMES, "prostate": VolumeRange((1.0, 2.0), (10.0, 20.0))}
    assert "far from the 1 to 2 ml" in a_calibration(regions=small).why_not(pairs)


def test_a_registration_uses_the_calibration_and_records_what_it_did(pair: Files) -> None:
    contents, settings = prostates_of(pair), FitSettings(kind="rigid")
    plain, calibrated, refused = (
        register(**contents, settings=settings, calibration=calibration)
        for calibration in (None, a_calibration(covariance=np.eye(9) * 1e-6), a_calibration(regions={}))
    )
    turned = calibrated.transform.affine_lps
    assert np.degrees(np.arctan2(turned[1, 0], turned[0, 0])) == pytest.approx(np.degrees(0.2), abs=1.0)
    effect = calibrated.provenance["parameters"]["calibration"]
    assert effect["used"]
    assert effect["mean_rotation_deg"] == pytest.approx([0, 0, np.degrees(0.2)])
    assert not refused.provenance["parameters"]["calibration"]["used"]
    np.testing.assert_array_equal(refused.transform.affine_lps, plain.transform.affine_lps)
    assert "calibration" not in plain.provenance["parameters"]


def test_a_registration_moves_the_inside_and_records_it(tmp_path: Path) -> None:
    pair = write_small_pair(tmp_path, affine_of(np.diag([1.25, 0.8, 1.2]), (7.0, -5.0, 6.0)))
    result = register(
        **prostates_of(pair), settings=FitSettings(kind="svf"), calibration=a_calibration(interiors=(an_interior(),))
    )
    (motion,) = result.provenance["parameters"]["calibration"]["interiors"]
    assert motion["region"] == "prostate"
    assert motion["share"] == 1
    assert 0.5 < motion["largest_mm"] < 5
    sentences = " ".join(remark.text for remark in remarks(result, {}))
    assert "points inside 'prostate' move by up to" in sentences


def test_from_a_table_to_a_registration(tmp_path: Path, pair: Files) -> None:
    files = {name.removeprefix("--").replace("-", "_"): str(path) for name, path in pair.inputs.items()}
    rows = [{"case": f"c{n}", "patient": f"p{n}", **files, "scanner": "A"} for n in range(8)]
    table, out = write_table(tmp_path, rows, with_files=False), tmp_path / "calibration.json"
    done = run("calibrate", table, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["cases"], record["patients"], record["landmarks"]) == (8, 8, 0)
    assert record["labels"] == {"scanner": ["A"]}
    written = out.read_text()
    assert str(tmp_path) not in written, "no file is named"
    assert "p1" not in written, "no patient is named"
    assert run("calibrate", table, "--out", out).exit_code == 1, "an existing file is kept"
    inputs = [part for option in pair.inputs.items() for part in option]
    result = run("register", *inputs, "--out", tmp_path / "r", "--transform", "rigid", "--calibration", out, "--json")
    assert result.exit_code == 0, result.output
    provenance = json.loads(result.stdout)["provenance"]
    assert provenance["parameters"]["calibration"]["used"] == record["used"] is True
    assert "calibration" in [file["role"] for file in provenance["inputs"]]
    assert "a calibration on 8 patients" in (tmp_path / "r" / "report.html").read_text()


def test_cases_with_landmarks_teach_the_errors_of_targets(tmp_path: Path, pair: Files) -> None:
    files = {
        name.removeprefix("--").replace("-", "_"): str(path) for name, path in {**pair.inputs, **pair.points}.items()
    }
    rows = [{"case": f"c{n}", "patient": f"p{n}", **files, "transform": "affine"} for n in range(3)]
    table, out = write_table(tmp_path, rows, with_files=False), tmp_path / "calibration.json"
    done = run("calibrate", table, "--out", out)
    assert done.exit_code == 0, done.output
    basis = "Learned from 3 patient(s), fewer than 10: no promise."
    assert f"Errors of {3 * len(PLAN)} targets. {basis}" in " ".join(done.stdout.split())
    inputs = [part for option in {**pair.inputs, **pair.points}.items() for part in option]
    words = ("register", *inputs, "--transform", "affine", "--calibration", out, "--out", tmp_path / "r", "--json")
    record = json.loads(run(*words).stdout)
    for target in record["targets"]:
        trust = target["trust"]
        assert (trust["verdict"], trust["basis"]) == ("good", basis)
        assert target["error_mm"]["affine"] <= trust["radius_mm"] + 0.1 <= 5.0
    assert record["error_prediction"]["model"]["patients"] == 3
    applied = run(
        "apply",
        "--transform",
        tmp_path / "r",
        "--input",
        pair.points["--moving-points"],
        "--out",
        tmp_path / "p.csv",
        "--json",
    )
    again = {target["name"]: target["trust"]["radius_mm"] for target in json.loads(applied.stdout)["targets"]}
    assert again == pytest.approx(
        {target["name"]: target["trust"]["radius_mm"] for target in record["targets"]}, rel=1e-3
    )


def test_cancelling_while_a_case_is_registered_ends_the_run(tmp_path: Path, pair: Files) -> None:
    files = {
        name.removeprefix("--").replace("-", "_"): str(path) for name, path in {**pair.inputs, **pair.points}.items()
    }
    rows = [{"case": f"c{n}", "patient": f"p{n}", **files, "transform": "affine"} for n in range(3)]
    table = read_cases(write_table(tmp_path, rows, with_files=False))
    progress: list[int] = []
    with pytest.raises(Cancelled):
        calibrate(
            table.cases,
            progress=lambda stage, done, total: progress.append(done),
            cancelled=lambda: bool(progress) and progress[-1] > len(rows),
        )
    assert progress[-1] == len(rows) + 1, "one case was registered"


def test_a_calibration_and_an_initial_transform_exclude_each_other(tmp_path: Path, pair: Files) -> None:
    inputs = [part for option in pair.inputs.items() for part in option]
    done = run("register", *inputs, "--out", tmp_path / "r", "--calibration", "c.json", "--initial-transform", "t.tfm")
    assert done.exit_code == 2
    assert "either" in done.output


def test_a_case_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    table = write_table(
        tmp_path,
        [
            {
                "case": "c7",
                "patient": "p",
                "fixed": "f.nrrd",
                "moving": "m.nrrd",
                "fixed_regions": "f.seg.nrrd",
                "moving_regions": "m.seg.nrrd",
            }
        ],
    )
    done = run("calibrate", table, "--out", tmp_path / "c.json")
    assert done.exit_code == 1
    assert "Case 'c7' (line 2)" in " ".join(done.output.split())
    assert not (tmp_path / "c.json").exists()


def test_the_worker_uses_a_calibration_and_its_reply_says_what_it_did(tmp_path: Path, pair: Files) -> None:
    contents, settings = prostates_of(pair), FitSettings(kind="rigid")
    path = tmp_path / "site.json"
    write_calibration(a_calibration(covariance=np.eye(9) * 1e-6, errors=shipped_model()), path)
    pairs = pairs_by_name(contents["fixed_regions"], contents["moving_regions"])
    volumes = contents["fixed"], contents["moving"]
    quiet = Run(lambda stage, done, total: None, lambda: False)
    reply = TASKS["fit"](FitRequest(*volumes, pairs, settings, calibration=path), quiet)
    expected = register(**contents, settings=settings, calibration=read_calibration(path))
    np.testing.assert_array_equal(reply.rigid_lps, expected.fitted.rigid_lps)
    assert reply.error_model == record_of(shipped_model())
    assert reply.provenance["parameters"]["calibration"] == expected.provenance["parameters"]["calibration"]
    with pytest.raises(InputError, match=r"'.*none\.json' cannot be read as a calibration"):
        TASKS["fit"](FitRequest(*volumes, pairs, settings, calibration=tmp_path / "none.json"), quiet)


def test_a_row_of_a_table_is_validated_with_its_own_calibration(
    tmp_path: Path, pair: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_calibration(a_calibration(covariance=np.eye(9) * 1e-6), tmp_path / "site.json")
    files = {name.removeprefix("--").replace("-", "_"): str(path) for name, path in pair.inputs.items()}
    truth = {f"{side}_true_regions": files[f"{side}_regions"] for side in ("fixed", "moving")}
    usual = {"patient": "p", **files, **truth, "transform": "rigid", "regions": "prostate"}
    rows = [
        {"case": "with", **usual, "calibration": "site.json", "all_pairs": "yes"},
        {"case": "without", **usual, "calibration": "", "all_pairs": ""},
    ]
    results = []

    def recording(*volumes: Volume, **arguments: Any) -> RegistrationResult:
        results.append(register(*volumes, **arguments))
        return results[-1]

    monkeypatch.setattr(validate_workflow, "register", recording)
    cases = validate_workflow.validate(read_cases(write_table(tmp_path, rows, with_files=False)).cases).cases
    assert [case.reason for case in cases] == ["", ""]
    parameters = [result.provenance["parameters"] for result in results]
    assert parameters[0]["calibration"]["used"]
    assert parameters[0]["all_pairs"]
    assert not {"calibration", "all_pairs"} & set(parameters[1])
    assert cases[0].scores["registered"].dice != cases[1].scores["registered"].dice
