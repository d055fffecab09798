"""The shop of the pages' tests, and programs that act for its people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from notify_app.web.api.access import PATH
from notify_app.web.api.openapi import document
from tests.programs import Program
from tests.web.api.schema import problems
from tests.web.conftest import Shop, shop  # noqa: F401  (the fixture)

Act = Callable[..., Program]


@pytest.fixture
def acts(shop: Shop) -> Act:  # noqa: F811
    """A program with a key of this person."""
    return lambda key, hub=None: Program(hub or shop.hub, key)


@pytest.fixture(autouse=True)
def _answers_fit_the_document(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test of the API is answered, the OpenAPI document has said (S4)."""
    wrong: list[str] = []
    for name in ("get", "post"):
        plain: Any = getattr(Program, name)

        def watched(
            self: Program, path: str, *rest: Any, _plain: Any = plain, _name: str = name, **more: Any
        ) -> TestResponse:
            response: TestResponse = _plain(self, path, *rest, **more)
            wrong.extend(misfits(_name, path, response))
            return response

        monkeypatch.setattr(Program, name, watched)
    yield
    assert not wrong, "\n".join(wrong)


def misfits(method: str, path: str, response: TestResponse) -> list[str]:
    """What an answer has that the document has not said."""
    whole = document()
    found = [
        one for template, one in whole["paths"].items() if method in one and _fits(template, PATH + path)
    ]
    if not found:
        return (
            [] if response.status_code in (404, 405) else [f"{path}: {response.status_code}, not documented"]
        )
    said = found[0][method]["responses"].get(str(response.status_code))
    if said is None:
        return [f"{method} {path}: {response.status_code} is not documented"]
    media = next(iter(said["content"]))
    if response.mimetype != media:
        return [f"{method} {path}: {response.mimetype}, not {media}"]
    at = f"{method} {path}"
    return list(problems(response.json, said["content"][media]["schema"], whole, at))


def _fits(template: str, path: str) -> bool:
    ours, theirs = template.split("/"), path.partition("?")[0].split("/")
    return len(ours) == len(theirs) and all(
        mine == other or mine.startswith("{") for mine, other in zip(ours, theirs, strict=True)
    )


@pytest.fixture
def repair(shop: Shop) -> str:  # noqa: F811
    """The id of an approved repair of Dana's that Bob does."""
    return str(shop.hub.repair("R-1", customer="dana", technician="bob", price="149.50").approved().item_id)
