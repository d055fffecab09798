"""The document names every route of the API and every verb, and nothing that is not there."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from notify_app import domains
from notify_app.web.api.access import PATH
from notify_app.web.api.openapi import document


def test_every_route_of_the_api_stands_in_the_document_and_nothing_else(app: Flask) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/")
    }
    said = {
        (path, method)
        for path, methods in document()["paths"].items()
        for method in methods
        if path.startswith(PATH)
    }
    assert said == routes


def test_every_operation_has_a_name_of_its_own_and_asks_for_a_key() -> None:
    operations = [one for methods in document()["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    by_key = [one["security"] for one in operations if "security" in one]
    assert by_key == [[{"key": []}]] * 12
    assert set(document()["components"]["securitySchemes"]) == {"key"}


@pytest.mark.parametrize("kind", [*domains.kinds()], ids=lambda kind: kind.name)
def test_every_verb_has_a_schema_with_its_inputs_and_what_it_needs(kind: domains.WorkKind) -> None:
    schemas = document()["components"]["schemas"]
    for verb in (*kind.transitions, *kind.verbs):
        name = "".join(part.capitalize() for part in f"{kind.name}_{verb.verb}".split("_"))
        assert set(schemas[name]["properties"]) == {one.name for one in verb.inputs}
        assert set(schemas[name].get("required", ())) == set(verb.needs)
        assert schemas[name]["additionalProperties"] is False


def test_only_kinds_that_are_made_here_can_be_made() -> None:
    body = document()["paths"][f"{PATH}/items"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    made = {one["properties"]["kind"]["const"] for one in body["oneOf"]}
    assert made == {kind.name for kind in domains.kinds() if kind.verb("create")}
    assert "repair" not in made
