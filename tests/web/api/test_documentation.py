"""The examples of docs/api.md run as they are printed, one after the other, and its answers fit the document."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from notify_app.web.api.openapi import document
from tests.web.api.conftest import Act
from tests.web.api.schema import problems
from tests.web.conftest import Shop

API = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
RUNS = re.findall(r"<!-- runs (\d+) -->\n```sh\n(.*?)```", API, re.DOTALL)
ANSWERS = re.findall(r"<!-- answers -->\n```json\n(.*?)```", API, re.DOTALL)
VERSION = re.compile(r"/api/v1(/[\w{}/-]*)")


def sent(command: str, known: dict[str, str]) -> dict[str, Any]:
    """What `curl` would send: the arguments of a test client."""
    for name, value in known.items():
        command = command.replace(f"${name}", value)
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:2] == ["curl", "-sS"] and "$" not in command, command
    method, url, headers, body = "GET", "", {}, None
    rest = iter(words[2:])
    for word in rest:
        match word:
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            case "-d":
                body = next(rest)
            case _:
                url = word
    return {"method": method, "path": url.removeprefix(known["HUB"]), "headers": headers, "data": body}


def test_every_call_of_the_documentation_runs_as_printed(shop: Shop, acts: Act) -> None:
    order = {
        "kind": "work_order",
        "values": {"work": "Replace the pump", "technician": str(shop.hub.people["bob"].id)},
    }
    program = acts("alice")
    item = program.post("/items", order).json["id"]
    known = {"HUB_KEY": program.token, "HUB": "http://hub", "ITEM": item}
    client = shop.hub.world.app.test_client()
    for status, command in RUNS:
        call = sent(command, known)
        response = client.open(call.pop("path"), **call)
        assert response.status_code == int(status), (command, response.get_data(as_text=True))
    assert len(RUNS) >= 5


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_answer_of_the_documentation_fits_the_document(answer: str) -> None:
    value = json.loads(answer)
    schema = "Problem" if "title" in value and "type" in value else "Item"
    assert list(problems(value, {"$ref": f"#/components/schemas/{schema}"}, document())) == []


def test_every_path_of_the_api_is_told_and_none_that_there_is_not() -> None:
    text = API.partition("# The REST API")[2]
    for path in document()["paths"]:
        found = VERSION.fullmatch(path)
        if found:
            shown = found[1].replace("/notifications/{id}", "")
            assert shown in text, path
    told = set(re.findall(r"`(?:GET|POST) (/[\w{}/]+)", text)) - {"/openapi"}
    assert told <= {path.removeprefix("/api/v1") for path in document()["paths"]} | {"/items/{id}/assign"}
