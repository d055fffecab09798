"""Every line of the requirements that the first stage promises is proven, and the stories read as stories."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
STORIES = sorted((TESTS / "stories").glob("test_*.py"))
PROMISED = [*(f"A{number}" for number in range(1, 12)), "A16", "A17", "B4", "B5", "C4", "C5", "F1"]
# what a negative twin says of itself, in its name or by its last line
REFUSES = re.compile(
    r"\b(not|no|nobody|never|nothing|none|cannot|without|refused|only|nor|unknown|wrong|another|outside|once|ignores|"
    r"is_as_if|blocked|fires|stale|misspelt|left|ends)\b"
)
PAUSES = {"time.sleep", "sleep", "asyncio.sleep"}


def stories_in(path: Path) -> Iterator[tuple[ast.FunctionDef, set[str]]]:
    """Each test of a file with the requirements that it, or its file, says it proves."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    whole = {
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for name in _proven(node.value)
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node, whole | {name for decorator in node.decorator_list for name in _proven(decorator)}


def _proven(node: ast.AST) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("mark.proves"):
            yield from (str(argument.value) for argument in call.args if isinstance(argument, ast.Constant))


def proofs() -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in STORIES:
        for test, names in stories_in(path):
            for name in names:
                found[name].append(test.name)
    return found


@pytest.mark.parametrize("requirement", PROMISED)
def test_every_promised_line_has_a_story_and_a_negative_twin(requirement: str) -> None:
    names = proofs()[requirement]
    refusing = [name for name in names if REFUSES.search(name.replace("_", " "))]
    assert len(names) >= 3, names
    assert refusing, names
    assert len(refusing) < len(names), names


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_stories_are_named_as_sentences_and_say_what_they_prove(path: Path) -> None:
    for test, names in stories_in(path):
        assert len(test.name.split("_")) >= 5, f"{test.name} is no sentence"
        assert names, f"{test.name} says no requirement"


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_no_story_sleeps(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in PAUSES, f"{path.name}:{node.lineno}"
