"""The short way of machines' requests: the headers of every answer, and nothing of a browser's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from notify_app.web.machines import PREFIXES, HubFlask

NOW = "2026-11-22T14:05:00Z"
BODY = json.dumps({"type": "repair.upsert", "timestamp": NOW, "data": {"id": "R-1"}}).encode()
OF_ONE_ANSWER = {"Content-Type", "Content-Length", "Retry-After"}


def usual(hub: Any, base_url: str) -> dict[str, str]:
    """What an answer carries that goes the way of pages."""
    answer = hub.world.app.test_client().get("/health", base_url=base_url)
    return {name: value for name, value in answer.headers if name not in OF_ONE_ANSWER}


def answers(hub: Any, base_url: str) -> list[Any]:
    """One of each sort."""
    client = hub.world.app.test_client(use_cookies=False)

    def post(body: bytes, path: str = "", id: str = "msg_1", **headers: str) -> Any:
        everything = {"Content-Type": "application/json", **hub.signed(body, id), **headers}
        address = f"/hooks/{hub.source.slug}{path}"
        return client.post(address, data=body, headers=everything, base_url=base_url, buffered=True)

    event = {"id": "e1", **json.loads(BODY)}
    batch = json.dumps({"events": [event, {}]}).encode()
    found = [
        post(BODY),
        post(BODY),
        post(b"{}"),
        post(BODY, id="other", **{"webhook-signature": "v1,"}),
        post(BODY + b" "),
        post(BODY, **{"Content-Type": "text/plain"}),
        post(b" " * 300_000),
        post(batch, "/batch"),
        post(b"{}", "/batch"),
    ]
    assert [one.status_code for one in found] == [202, 200, 422, 401, 409, 415, 413, 207, 422]
    return found


@pytest.mark.parametrize("base_url", ["http://hub.example.com", "https://hub.example.com"])
def test_every_answer_carries_the_headers_that_all_others_carry(hub, base_url):
    wanted = usual(hub, base_url)
    assert "Content-Security-Policy" in wanted
    assert ("Strict-Transport-Security" in wanted) == base_url.startswith("https")
    for answer in answers(hub, base_url):
        there = [(name, value) for name, value in answer.headers if name not in OF_ONE_ANSWER]
        assert dict(there) == wanted, answer.status
        assert len(there) == len(wanted), "each of them once"
        assert int(answer.headers["Content-Length"]) == len(answer.data)
    hub.settle()


def test_an_answer_is_json_and_a_refusal_says_that_it_is_one(hub):
    for answer in answers(hub, "https://hub.example.com"):
        good = answer.status_code in (200, 202, 207)
        assert answer.content_type == ("application/json" if good else "application/problem+json")
        assert answer.get_json()
    hub.settle()


def test_a_cookie_is_neither_read_nor_set(hub):
    """Not even a broken one, of somebody who is signed in, or one that a proxy has put on by mistake."""
    hub.office()
    browser = hub.browser("olga")
    browser.get("/")
    cookie = "; ".join(f"{one.key}={one.value}" for one in browser.client._cookies.values())
    assert cookie
    for sent in (cookie, "__Host-hub=broken; theme=dark"):
        answer = hub.send(BODY, headers={"Cookie": sent})
        assert answer.status_code == 202
        assert "Set-Cookie" not in answer.headers
    hub.forget()


def test_the_short_way_is_for_signed_traffic_alone(app):
    assert isinstance(app, HubFlask)
    short = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(("hooks.", "receipts.", "telegram."))
    }
    for rule in app.url_map.iter_rules():
        guard = getattr(app.view_functions[rule.endpoint], "guard", None)
        assert (guard == "source") == (rule.endpoint in short), rule
        assert (guard == "source") == rule.rule.startswith(PREFIXES), rule
