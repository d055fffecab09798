"""The documents that programs are written against: the OpenAPI document and the examples of docs/api.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from notify_app.pipeline import envelope
from notify_app.web.api.openapi import document

API = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- accepted -->\n```json\n(.*?)```", API, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_documentation_is_accepted(example: str) -> None:
    assert envelope.parse(example.encode()).type in envelope.types()


def test_every_type_has_an_example_and_a_schema() -> None:
    shown = {envelope.parse(example.encode()).type for example in EXAMPLES}
    content = document()["paths"]["/hooks/{source}"]["post"]["requestBody"]["content"]["application/json"]
    assert shown == set(envelope.types()) == {one["title"] for one in content["schema"]["oneOf"]}


def test_the_document_refers_to_nothing_that_it_does_not_hold() -> None:
    whole = document()
    for name in _references(whole):
        assert name.removeprefix("#/components/schemas/") in whole["components"]["schemas"]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [name for one in value.values() for name in _references(one)]
    if isinstance(value, list):
        return [name for one in value for name in _references(one)]
    return []
