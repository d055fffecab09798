"""Every line of the requirements has a test, or is on the short list of what later releases bring."""

from __future__ import annotations

import pytest

from tests import requirements


@pytest.mark.parametrize("name", [one for one in requirements.REQUIREMENTS if one not in requirements.LATER])
def test_every_line_that_is_not_for_later_has_a_test(name: str) -> None:
    assert requirements.proofs().get(name), f"no test is marked with proves({name!r})"


def test_the_list_of_what_is_later_names_lines_that_exist() -> None:
    assert set(requirements.REQUIREMENTS) >= requirements.LATER


def test_no_test_proves_a_line_that_does_not_exist() -> None:
    known = set(requirements.REQUIREMENTS) | set(requirements.known_elsewhere())
    unknown = {name: proofs[0] for name, proofs in requirements.proofs().items() if name not in known}
    assert not unknown


def test_the_document_says_what_the_tests_say() -> None:
    """Else: `python -m tests.requirements`."""
    assert requirements.DOCUMENT.read_text(encoding="utf-8") == requirements.document()


def test_marks_are_found_on_files_classes_functions_and_parameters() -> None:
    tree = requirements.ast.parse(
        """
pytestmark = [pytest.mark.slow, pytest.mark.proves("A1")]
@pytest.mark.proves("A2", "A3")
def test_one(): ...
class TestMore:
    pytestmark = pytest.mark.proves("A4")
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.proves("A5"))])
    async def test_two(self, x): ...
def helper(): ...
"""
    )
    around = requirements._marks(tree.body)
    found = {(name, proof.test) for name, proof in requirements._in_body(tree.body, around, "x", "")}
    one = {("A1", "test_one"), ("A2", "test_one"), ("A3", "test_one")}
    assert found == one | {(name, "TestMore.test_two") for name in ("A1", "A4", "A5")}
