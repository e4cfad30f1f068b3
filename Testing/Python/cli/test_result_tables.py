"""What the terminal says of results."""

from __future__ import annotations

from typing import Any

import pytest

from Tell2RegLib.cli.result_tables import show_verdicts


def a_target(name: str, verdict: str, *reasons: str) -> dict[str, Any]:
    trust = {
        "verdict": verdict,
        "predicted_mm": None,
        "radius_mm": None,
        "nearest_name": "prostate",
        "nearest_mm": 1.0,
        "reasons": list(reasons),
        "basis": "",
    }
    return {"name": name, "trust": trust}


def test_targets_with_one_reason_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    apart = a_target("R apex", "do not trust", "40 mm from the nearest region.")
    alike = [a_target(name, "check", "No predicted error.") for name in ("L base", "L mid")]
    show_verdicts([alike[0], apart, a_target("M", "good"), alike[1]])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "Check: L base, L mid: No predicted error." in lines
    assert "Do not trust: R apex: 40 mm from the nearest region." in lines
    assert not any(line.startswith("Good:") for line in lines)
