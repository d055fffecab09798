"""Posting to an endpoint: what each answer means, how it is signed, and that nothing inside is ever called."""

from __future__ import annotations

import base64
import re
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from notify_app.channels.base import (
    Ambiguous,
    ChannelFailure,
    GiveUp,
    Invalid,
    Message,
    Receipt,
    Throttled,
    TryLater,
)
from notify_app.channels.endpoint import HttpEndpoint, clean_url
from notify_app.config import Settings, SettingsError
from tests.channels.receiver import Receiver

pytestmark = pytest.mark.proves("A10", "A11")

URL = "https://there.example.com/hook?team=1"
SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"


def message(**change: Any) -> Message:
    values: dict[str, Any] = {
        "delivery_id": "d-1",
        "channel": "endpoint",
        "address": URL,
        "attempt": 1,
        "idempotency_key": "0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a21",
        "priority": "high",
        "text": '{"type":"x","data":{"title":"Öl & <b>"}}',
        "keys": (SECRET,),
    }
    return Message(**(values | change))


@pytest.fixture
def there() -> Iterator[Receiver]:
    with Receiver() as stub:
        yield stub


def post(there: Receiver, **change: Any) -> Receipt:
    return HttpEndpoint(instead=there.url, timeout=0.5).send(message(**change))


def test_what_is_taken_says_what_was_answered(there: Receiver) -> None:
    there.answer(202, "queued")
    receipt = post(there)
    assert (receipt.provider, receipt.provider_id, receipt.response) == (
        "http",
        message().idempotency_key,
        "202 queued",
    )
    (posted,) = there.got
    assert posted.path == "/hook?team=1"
    assert posted.headers["content-type"].startswith("application/json")
    assert posted.verified(SECRET)["data"]["title"] == "Öl & <b>"


def test_it_is_signed_with_each_key_and_not_at_all_without_one(there: Receiver) -> None:
    old = f"whsec_{base64.b64encode(b'o' * 32).decode()}"
    post(there, keys=(SECRET, old))
    post(there, keys=())
    both, none = there.got
    assert len(both.headers["webhook-signature"].split(" ")) == 2
    for key in (SECRET, old):
        both.verified(key)
    assert "webhook-signature" not in none.headers
    assert none.id == both.id


def test_the_standards_own_vector_is_met() -> None:
    """The time and the id that are signed are those that are sent."""
    from datetime import UTC, datetime

    from notify_app.channels.endpoint import headers

    sent = headers(message(text='{"a":1}'), 1_700_000_000)
    theirs = Webhook(SECRET).sign(sent["webhook-id"], datetime.fromtimestamp(1_700_000_000, UTC), '{"a":1}')
    assert sent["webhook-signature"] == theirs


@pytest.mark.parametrize(
    ("status", "change", "failure", "code"),
    [
        (301, {}, TryLater, "301"),
        (307, {}, TryLater, "307"),
        (400, {}, TryLater, "400"),
        (400, {"attempt": 3}, GiveUp, "400"),
        (404, {"keys": ()}, GiveUp, "404"),
        (408, {"attempt": 5}, TryLater, "408"),
        (410, {}, GiveUp, "gone"),
        (429, {}, Throttled, "429"),
        (500, {"attempt": 7}, TryLater, "500"),
        (503, {"keys": ()}, TryLater, "503"),
    ],
)
def test_each_answer_means_something(
    there: Receiver, status: int, change: dict[str, Any], failure: type[ChannelFailure], code: str
) -> None:
    there.answer(status, "why not", headers={"Location": "http://127.0.0.1:1/"})
    with pytest.raises(failure, match=f"{status} why not") as raised:
        post(there, **change)
    assert (type(raised.value), raised.value.code, len(there.got)) == (failure, code, 1)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "120"}, timedelta(seconds=120)),
        ({"Retry-After": "999999999"}, timedelta(hours=24)),
        (
            {"Retry-After": "Wed, 21 Oct 2026 07:30:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
            timedelta(minutes=2),
        ),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_it_says_how_long_it_is_to_be_left_alone(
    there: Receiver, status: int, headers: dict[str, str], wait: timedelta | None
) -> None:
    there.answer(status, headers=headers)
    with pytest.raises(ChannelFailure) as raised:
        post(there)
    assert raised.value.after == wait


def test_no_answer_may_have_arrived(there: Receiver) -> None:
    there.cut()
    with pytest.raises(Ambiguous, match="No answer"):
        post(there)
    there.hang()
    with pytest.raises(Ambiguous, match="No answer"):
        post(there)


def test_nobody_there_is_no_doubt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        nobody = f"http://127.0.0.1:{door.getsockname()[1]}"
    with pytest.raises(TryLater, match="Nobody was there"):
        HttpEndpoint(instead=nobody).send(message())


def test_what_it_answers_never_repeats_the_address(there: Receiver) -> None:
    secret = "https://hooks.slack.com/services/T0/B0/verysecret"
    there.answer(400, f"no such hook {secret} /services/T0/B0/verysecret")
    with pytest.raises(GiveUp) as raised:
        post(there, address=secret, keys=())
    assert "verysecret" not in str(raised.value)
    assert "verysecret" not in repr(message(keys=("whsec_verysecret",)))


# --- never inside ----------------------------------------------------------------------------------------------------

INSIDE = [
    "https://127.0.0.1:{port}/",
    "https://localhost:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://[::1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://0.0.0.0:{port}/",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.8/",
    "https://100.64.0.1/",
    "https://[fd00::1]/",
    "https://rebound.example.com:{port}/",  # a name whose second address is inside
]


@pytest.mark.proves("S7")
@pytest.mark.parametrize("url", INSIDE)
def test_nothing_inside_is_called_by_any_spelling(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host == "rebound.example.com":
            both = ("93.184.215.14", "127.0.0.1")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in both]
        return real(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    called = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.05)
        at = url.format(port=door.getsockname()[1])
        with pytest.raises(GiveUp, match="inside") as raised:
            HttpEndpoint(timeout=2).send(message(address=at))
        try:
            called.append(door.accept())
        except TimeoutError:
            pass
    assert raised.value.code == "inside"
    assert called == []


@pytest.mark.proves("S7")
def test_a_redirect_to_inside_is_an_answer_and_not_followed(there: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0.05)
        there.answer(307, headers={"Location": f"http://127.0.0.1:{inside.getsockname()[1]}/"})
        with pytest.raises(TryLater, match="not followed"):
            post(there)
        with pytest.raises(TimeoutError):
            inside.accept()


@pytest.mark.parametrize(
    "url",
    [
        "http://there.example.com/",
        "ftp://there.example.com/",
        "https://",
        "https://user@there.example.com/",
        "https://:word@there.example.com/",
        "https://there.example.com/a b",
        "https://there.example.com/\r\nHost: inside",
        "https://thére.example.com/",
        "https://there.example.com:port/",
        "https://[::1/",
        "https://there.example.com/" + "a" * 2100,
        "there.example.com",
        "",
    ],
)
def test_what_is_no_address_is_said_in_a_sentence(url: str) -> None:
    with pytest.raises(Invalid, match=r"^[A-Z].*\.$"):
        clean_url(url)


def test_an_address_is_kept_as_it_is_without_its_fragment() -> None:
    assert clean_url("  https://there.example.com:8443/a?b=c#d ") == "https://there.example.com:8443/a?b=c"


@pytest.mark.parametrize("url", ["proxy.example.com", "ftp://proxy.example.com"])
def test_where_all_of_it_goes_must_be_an_address(url: str) -> None:
    given = {
        "HUB_SECRET_KEY": "x" * 40,
        "DATABASE_URL": "postgresql://hub_app@localhost/hub",
        "DATABASE_ENGINE_URL": "postgresql://hub_engine@localhost/hub",
        "REDIS_URL": "redis://localhost",
    }
    with pytest.raises(SettingsError, match=re.escape("HUB_OUTGOING_URL")):
        Settings.from_env(given | {"HUB_OUTGOING_URL": url})


def test_many_are_posted_at_once(there: Receiver) -> None:
    """One channel serves all threads."""
    channel = HttpEndpoint(instead=there.url)
    threads = [
        threading.Thread(target=channel.send, args=(message(idempotency_key=f"m-{number}"),))
        for number in range(16)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert {one.id for one in there.got} == {f"m-{number}" for number in range(16)}
