"""Names say what a value holds: nothing in the product is called `own`, `found` or `told`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted([*(ROOT / "Tell2RegLib").rglob("*.py"), *(ROOT / "Tell2Reg").rglob("*.py")])

BANNED = {
    "alike",
    "asked",
    "found",
    "here",
    "home",
    "it",
    "kept",
    "looking",
    "mine",
    "one",
    "others",
    "ours",
    "own",
    "place",
    "places",
    "rest",
    "seen",
    "theirs",
    "there",
    "told",
    "turn",
    "voice",
    "what",
}
"""Words that say nothing about the value: name the thing instead (`fixed_regions`, `accepted_pairs`, `position`)."""

BANNED_IN_TESTS = {"found", "here", "home", "kept", "own", "theirs", "there", "told"}
"""Those that tests do without as well."""

CALLBACKS = {"Progress", "StepProgress", "Check"}
"""Types of callbacks, defined in support/progress.py alone."""


def defined_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that a file gives to a value, an argument, an attribute, a function or a class, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield (node.id if isinstance(node, ast.Name) else node.attr), node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.alias | ast.ExceptHandler) and (name := getattr(node, "asname", node.name)):
            yield name, node.lineno


def banned_names(text: str) -> list[tuple[str, int]]:
    return [(name, line) for name, line in defined_names(ast.parse(text)) if name.strip("_").lower() in BANNED]


@pytest.mark.parametrize(
    "text",
    ["own = 1", "def f(found): ...", "for one in (1, 2): ...", "self._kept = 1", "def told(): ...", "f = lambda it: 1"],
)
def test_a_name_that_says_nothing_is_noticed(text: str) -> None:
    assert banned_names(text)


def test_no_name_of_the_product_says_nothing() -> None:
    banned = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in FILES
        for name, line in banned_names(path.read_text(encoding="utf-8"))
    ]
    assert not banned, "\n".join(banned)


def test_no_name_of_the_tests_stands_for_anything() -> None:
    vague = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / "Testing").rglob("*.py"))
        for name, line in defined_names(ast.parse(path.read_text(encoding="utf-8")))
        if name.strip("_").lower() in BANNED_IN_TESTS
    ]
    assert not vague, "\n".join(vague)


def test_the_types_of_callbacks_are_defined_once() -> None:
    defined = {
        name: [
            path.relative_to(ROOT / "Tell2RegLib").as_posix()
            for path in FILES
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign) and any(ast.unparse(target) == name for target in node.targets)
        ]
        for name in CALLBACKS
    }
    assert defined == dict.fromkeys(CALLBACKS, ["support/progress.py"])


def test_mask_and_slices_name_one_thing_each() -> None:
    """`Mask` is the segmenter's result for a box; the pixels are a `MaskArray`, slices of an array a `VoxelBox`."""
    defined = [
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in FILES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        for name in (
            [node.name] if isinstance(node, ast.ClassDef) else [ast.unparse(t) for t in getattr(node, "targets", [])]
        )
        if name in {"Mask", "Slices"}
    ]
    assert defined == ["Tell2RegLib/models/protocol.py: Mask"]
