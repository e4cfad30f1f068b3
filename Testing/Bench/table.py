"""The tables of docs/benchmarks.md, and how they get there without touching the prose around them."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Testing.Bench.outcome import Tool

Result = Mapping[str, Any]

COMMAND = "make bench"
HEAD = (
    "| Tool | Seconds | Times ours | Mean Dice | Worst Dice | Folding % | SDlogJ | Inverse error mm, mean / max "
    "| Peak memory MB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


# --- comparison ---


def comparison(result: Result, tools: Mapping[str, Tool]) -> str:
    """One case: a heading, a line per tool, and the remarks below."""
    before = result["before"]
    lines = [f"### {result['title']}", "", HEAD]
    lines.append(f"| *before* | | | {before['mean_dice']:.3f} | {before['worst_dice']:.3f} | | | | |")
    actual = result["tools"].get("ours", {}).get("seconds")
    remarks = []
    for name, row in result["tools"].items():
        mark = ""
        if row.get("remark"):
            remarks.append(f"{tools[name].title.strip('*')}: {row['remark']}.")
            mark = " " + "¹²³⁴⁵⁶⁷"[len(remarks) - 1]
        lines.append(_line(tools[name].title + mark, row, actual))
    notes = [f"{'¹²³⁴⁵⁶⁷'[number]} {remark}" for number, remark in enumerate(remarks)]
    return "\n".join(lines + ([""] + notes if notes else []))


def _line(title: str, row: Result, actual: float | None) -> str:
    if "absent" in row:
        return f"| {title} | {row['absent']} | | | | | | | |"
    cells = [title, seconds_text(row["seconds"]), f"{row['seconds'] / actual:.3g}" if actual else ""]
    if "mean_dice" in row:
        cells += [f"{row['mean_dice']:.3f}", f"{row['worst_dice']:.3f}", f"{row['folding_percent']:.3f}"]
        cells += [f"{row['sdlogj']:.3f}"]
        inverse = row.get("inverse_mm")
        cells += [f"{inverse[0]:.3f} / {inverse[1]:.2f}" if inverse else "none given"]
    else:
        cells += ["not run"] * 5
    return "| " + " | ".join([*cells, f"{row['memory_mb']:.0f}"]) + " |"


def seconds_text(seconds: float) -> str:
    """Seconds with two or three digits; hours beside them where there are many."""
    if seconds >= 3600:
        return f"{seconds:,.0f} ({seconds / 3600:.1f} h)"
    return f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


# --- growth ---


def growth(results: Sequence[Result], by: str) -> str:
    """Our fit's time and memory against voxels or regions; empty without results."""
    rows = [(result, result["tools"]["ours"]) for result in results if "ours" in result["tools"]]
    if not rows:
        return ""
    lines = [
        f"| {by} | Seconds | Seconds per {'million' if 'Voxels' in by else 'region'} | Mean Dice | Peak memory MB |"
    ]
    lines.append("|--:|--:|--:|--:|--:|")
    for result, row in rows:
        amount = result["voxels"] / 1e6 if "Voxels" in by else result["regions"]
        shown = f"{amount:.2f}" if "Voxels" in by else f"{amount}"
        if "absent" in row:
            lines.append(f"| {shown} | {row['absent']} | | | |")
            continue
        cells = [shown, f"{row['seconds']:.1f}", f"{row['seconds'] / amount:.2f}", f"{row['mean_dice']:.3f}"]
        lines.append("| " + " | ".join([*cells, f"{row['memory_mb']:.0f}"]) + " |")
    return "\n".join(lines)


def settings(tools: Mapping[str, Tool]) -> str:
    """How each tool was set, as a list."""
    return "\n".join(f"- {tool.title}{_version(tool)}: {tool.setting}" for tool in tools.values())


def _version(tool: Tool) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f" ({tool.pip} {version(tool.pip)})"
    except PackageNotFoundError:
        return "" if tool.installed else " (not installed)"


# --- where it ran ---


@dataclass(frozen=True)
class Machine:
    """What a reader must know about the run."""

    processor: str
    cores: int
    memory_gb: float
    load: float
    date: str
    minutes: float

    @classmethod
    def this_machine(cls, seconds: float) -> Machine:
        """This machine, today, after a run of so many seconds."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 if hasattr(os, "sysconf") else 0.0
        load = os.getloadavg()[2] if hasattr(os, "getloadavg") else float("nan")
        today = datetime.date.today().isoformat()
        return cls(_processor(), len(os.sched_getaffinity(0)), memory, load, today, seconds / 60)

    def sentence(self, command: str = COMMAND) -> str:
        """One line for the document."""
        busy = "" if self.load < self.cores + 1.5 else " **The machine was busy with other work: times are too long.**"
        return (
            f"Measured on {self.date} with `{command}` ({self.minutes:.0f} minutes): {self.processor}, {self.cores} "
            f"cores, {self.memory_gb:.0f} GB, no GPU; Python {platform.python_version()}, {platform.system()}.{busy}"
        )


def _processor() -> str:
    try:
        detected = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        detected = None
    return detected.group(1).strip() if detected else platform.processor() or platform.machine()


# --- into the document ---


def rewrite(document: Path, parts: Mapping[str, str], prefix: str = "bench") -> None:
    """Put each part between its two markers; everything else in the document stays as it is.

    Raises:
        ValueError: the document lacks a marker.
    """
    text = document.read_text(encoding="utf-8")
    for name, part in parts.items():
        begin, end = f"<!-- {prefix}:{name}:begin -->", f"<!-- {prefix}:{name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"'{document.name}' needs the markers '{begin}' and '{end}' once each.")
        head, rest = text.split(begin)
        text = head + begin + "\n" + part + "\n" + end + rest.split(end)[1]
    document.write_text(text, encoding="utf-8")
