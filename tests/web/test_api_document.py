"""The documents that programs are written against: the OpenAPI document and the examples of docs/api.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from notify_app.pipeline import batch, envelope
from notify_app.web.api.openapi import document

API = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- accepted -->\n```json\n(.*?)```", API, re.DOTALL)
BATCHES = re.findall(r"<!-- accepted: batch -->\n```json\n(.*?)```", API, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_documentation_is_accepted(example: str) -> None:
    assert envelope.parse(example.encode()).type in envelope.types()


def test_every_type_has_an_example_and_a_schema() -> None:
    shown = {envelope.parse(example.encode()).type for example in EXAMPLES}
    content = document()["paths"]["/hooks/{source}"]["post"]["requestBody"]["content"]["application/json"]
    assert shown == set(envelope.types()) == {one["title"] for one in content["schema"]["oneOf"]}


@pytest.mark.parametrize("example", BATCHES)
def test_every_batch_of_the_documentation_is_accepted_whole(hub: Any, example: str) -> None:
    answer = hub.send(example.encode(), path="/batch")
    assert answer.status_code == 202, answer.get_data(as_text=True)
    hub.forget()


@pytest.mark.parametrize(
    ("data", "events"), [('{"id": "R-1"}', 0), ('[{"id": "R-1"}, {"id": "R-2"}]', 2)], ids=["one", "many"]
)
def test_the_command_signs_what_the_documentation_says(hub: Any, data: str, events: int) -> None:
    runner = hub.world.app.test_cli_runner()
    with hub.world.app.app_context():
        said = runner.invoke(args=["webhook", hub.source.slug, "repair.upsert", data, "--id", "by_hand"])
    assert said.exit_code == 0, said.output
    parts = shlex.split(said.output)
    headers = dict(parts[at + 1].split(": ", 1) for at, part in enumerate(parts) if part == "-H")
    path = urlsplit(parts[4]).path.removeprefix(f"/hooks/{hub.source.slug}")
    answer = hub.send(parts[-1].encode(), path=path, headers=headers)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    ids = [row.external_id for row in hub.build.all("SELECT external_id FROM inbound ORDER BY id")]
    assert ids == ([f"by_hand_{at}" for at in range(events)] or ["by_hand"])
    hub.forget()


def test_a_batch_is_documented_with_its_limits_and_an_event_of_each_type() -> None:
    assert len(BATCHES) == 1
    post = document()["paths"]["/hooks/{source}/batch"]["post"]
    events = post["requestBody"]["content"]["application/json"]["schema"]["properties"]["events"]
    assert events["maxItems"] == batch.MAX_EVENTS
    assert (
        f"up to {batch.MAX_EVENTS} events in one request of at most {batch.MAX_BYTES // 1024**2} MiB" in API
    )
    assert {one["title"] for one in events["items"]["oneOf"]} == set(envelope.types())
    assert all("id" in one["required"] for one in events["items"]["oneOf"])
    table = API.partition("## Many at once")[2].partition("## Messages")[0]
    for status in post["responses"]:
        assert re.search(rf"^\|[^|]*\b{status}\b", table, re.MULTILINE), status


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
