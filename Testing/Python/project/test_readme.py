"""README and user guide: every command and option in them exists, and the example in Python runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from Tell2RegLib.cli.main import app
from Testing.Python.small import ROOT, write_small_pair

PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/user-guide.md")}
GUIDE = PAGES["docs/user-guide.md"]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def command_lines(page: str) -> list[str]:
    """Lines of code, and inline code, that call tell2reg with options."""
    blocks = re.findall(r"^ {4,}(tell2reg .*)$", page, re.MULTILINE)
    inline = re.findall(r"`[^`\n]*?(tell2reg \w+ --[^`\n]*)`", page)
    return [line.replace("\\", "/") for line in blocks + inline]


LINES = [(name, line) for name, page in PAGES.items() for line in command_lines(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line[:60]}" for page, line in LINES])
def test_every_command_line_can_be_typed(page: str, line: str) -> None:
    _, command, *words = shlex.split(line)
    if line == "tell2reg apply --inverse":  # named, not shown
        words += ["--transform", "x", "--input", "x", "--out", "x"]
    COMMANDS[command].make_context(command, words)


def test_the_table_of_commands_is_complete_and_true() -> None:
    rows = re.findall(r"^\| `tell2reg (\w+)` \|.*\|(.*)\|$", GUIDE, re.MULTILINE)
    assert {name for name, _ in rows} == set(COMMANDS)
    for name, options in rows:
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert set(re.findall(r"`(--[a-z-]+)`", options)) <= known, name


def test_every_option_that_is_named_anywhere_exists() -> None:
    parameters = [parameter for command in COMMANDS.values() for parameter in command.params]
    known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    for name, page in PAGES.items():
        assert set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", page)) <= known | {"--help"}, name


def test_windows_has_the_same_commands_as_make() -> None:
    """What `make demo` and `make test` call is what the other column of the table calls."""
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)/", "").replace("$(OUT)", "out")
    row = {
        detected[1]: detected[2].replace("\\", "/")
        for detected in re.finditer(
            r"^\| [^|]+ \| `make (\w+)` \| `\.venv.Scripts.([^`]*)` \|$", PAGES["README.md"], re.M
        )
    }
    assert set(row) == {"demo", "test"}
    for target, line in row.items():
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", recipes, re.MULTILINE)
        assert recipe is not None
        assert line in recipe[1], f"make {target} no longer calls: {line}"


def test_links_lead_to_files() -> None:
    for name, page in PAGES.items():
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page):
            assert ((ROOT / name).parent / link).is_file(), f"{name}: {link}"


def test_the_page_of_the_result_folder_lists_every_file_of_the_contract() -> None:
    from Tell2RegLib.results.result_folder import FILES

    table = (ROOT / "docs/result-folder.md").read_text(encoding="utf-8").split("Without a pair")[0].replace("/`", "`")
    assert {name for name in FILES if f"`{name}`" in table} == set(FILES)


@pytest.mark.slow
def test_the_example_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With simulated networks instead of those that a user has to install first."""
    from Tell2RegLib.region_sources.segmentation_file import write_segmentation
    from Tell2RegLib.space.volume import write_volume
    from Tell2RegLib.workflows import register
    from Testing.Python.by_words import a_bench

    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 1
    bench = a_bench()
    write_small_pair(tmp_path)
    for side in ("fixed", "moving"):
        scan = getattr(bench.pair, side)
        write_volume(scan.volume, tmp_path / f"{side}.nrrd")
        write_segmentation(scan.regions(), tmp_path / f"{side}.seg.nrrd")
    requested = []

    def simulated(prompts, models, *, device):  # type: ignore[no-untyped-def]
        requested.append((tuple(prompts), models, device))
        return bench.words(*prompts)

    monkeypatch.setattr(register, "query_by_models", simulated)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(blocks[0], "docs/user-guide.md", "exec"), names)
    assert requested == [(("prostate", "bladder"), "fast", "auto")]
    assert len(names["result"].pairs) == 2
    assert names["in_fixed"].shape == (2, 3)
    assert (tmp_path / "result" / "report.html").is_file()
    assert len(names["by_regions"].pairs) >= 9
