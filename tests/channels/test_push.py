"""Web push: what a push service is sent, who can read it, and what each answer means (A5; reliability.md §3.2)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import http_ece
import pytest
from py_vapid import Vapid02

from notify_app.channels.base import (
    Ambiguous,
    ChannelFailure,
    GiveUp,
    Invalid,
    Message,
    Misconfigured,
    Throttled,
    TryLater,
)
from notify_app.channels.push import WebPush, address_of, public_key, shown
from notify_app.pipeline import recall
from tests.channels.push_device import Device
from tests.channels.receiver import Receiver

pytestmark = pytest.mark.proves("A5")

SECRET = "a-secret-key-of-this-test-that-is-long-enough"
LINE = "01a219b1-9758-7549-b476-fda421000001"


@pytest.fixture
def service() -> Iterator[Receiver]:
    with Receiver() as running:
        running.always(201)
        yield running


def message(device: Device, **more: Any) -> Message:
    given = {
        "subject": "New job: R-1",
        "text": "Windshield.",
        "link": "https://hub.example.com/jobs/1",
        "line": LINE,
    }
    return Message("d-1", "push", device.address, 1, "key-1", "high", **{**given, **more})


def push(service: Receiver) -> WebPush:
    return WebPush(SECRET, "https://hub.example.com", instead=service.url)


def test_only_the_device_reads_what_was_sent_to_it(service: Receiver) -> None:
    mine, other = Device("mine"), Device("other")
    assert push(service).send(message(mine, asks=LINE)).provider == "vapid"
    asked = service.got[0]
    assert (asked.method, asked.path) == ("POST", "/send/mine")
    assert b"Windshield" not in asked.body
    note = mine.reads(asked.body)
    assert (note["title"], note["body"], note["url"]) == (
        "New job: R-1",
        "Windshield.",
        "https://hub.example.com/jobs/1",
    )
    assert (note["tag"], note["asks"], note["urgent"]) == (LINE.replace("-", ""), LINE, False)
    with pytest.raises(http_ece.ECEException):
        other.reads(asked.body)


def test_the_service_knows_by_whom_for_how_long_and_how_pressing(service: Receiver) -> None:
    device = Device("mine", "push.services.mozilla.com")
    for priority in ("high", "medium", "urgent"):
        push(service).send(
            message(device)
            if priority == "high"
            else Message("d", "push", device.address, 1, "k", priority, text="x")
        )
    headers = [one.headers for one in service.got]
    assert [(one["urgency"], one["ttl"]) for one in headers] == [
        ("high", "21600"),
        ("normal", "21600"),
        ("high", "3600"),
    ]
    assert headers[0]["topic"] == LINE.replace("-", "") and len(headers[0]["topic"]) == 32
    assert headers[0]["content-encoding"] == "aes128gcm"
    assert Vapid02.verify(headers[0]["authorization"])
    token = headers[0]["authorization"].split("t=")[1].split(",")[0].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(token + "=="))
    assert claims["aud"] == "https://push.services.mozilla.com"
    assert claims["sub"] == "https://hub.example.com"
    assert f"k={public_key(SECRET)}" in headers[0]["authorization"]


def test_the_key_is_the_same_everywhere_and_changes_with_the_secret() -> None:
    assert public_key(SECRET) == public_key(SECRET)
    assert public_key(SECRET) != public_key(SECRET + "2")
    assert len(base64.urlsafe_b64decode(public_key(SECRET) + "=")) == 65


@pytest.mark.parametrize(
    ("status", "failure", "gone"),
    [
        (400, GiveUp, False),
        (401, Misconfigured, None),
        (403, Misconfigured, None),
        (404, GiveUp, True),
        (410, GiveUp, True),
        (429, Throttled, None),
        (500, TryLater, None),
        (503, TryLater, None),
        (302, GiveUp, False),
    ],
)
def test_each_answer_is_of_its_class(status: int, failure: type[ChannelFailure], gone: bool | None) -> None:
    with Receiver() as service:
        service.answer(status, "why", headers={"Retry-After": "9", "Location": "http://127.0.0.1/"})
        with pytest.raises(failure) as caught:
            push(service).send(message(Device("mine")))
        assert len(service.got) == 1, "a redirection is not followed"
    assert getattr(caught.value, "suppress", None) == gone
    if failure in (Throttled, TryLater):
        assert caught.value.after == timedelta(seconds=9)


def test_what_is_too_much_for_a_service_is_sent_shorter_once() -> None:
    device = Device("mine")
    with Receiver() as service:
        service.answer(413)
        service.answer(201)
        push(service).send(message(device, text="word " * 500))
        long, short = (device.reads(one.body)["body"] for one in service.got)
        service.always(413)
        with pytest.raises(GiveUp) as caught:
            push(service).send(message(device))
    assert len(long) <= 400 and len(short) <= 80 and short.endswith("…")
    assert not caught.value.suppress


def test_the_longest_message_fits() -> None:
    device = Device("mine")
    with Receiver() as service:
        service.answer(201)
        push(service).send(message(device, subject="😀" * 500, text="😀" * 5000, asks=LINE))
        assert len(service.got[0].body) < 4096


def test_a_lost_answer_is_in_doubt(service: Receiver) -> None:
    service.reset()
    service.cut()
    with pytest.raises(Ambiguous):
        push(service).send(message(Device("mine")))


@pytest.mark.proves("S7")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "2130706433", "10.0.0.8"])
def test_nothing_is_sent_into_our_own_house(host: str) -> None:
    with pytest.raises(GiveUp) as caught:
        WebPush(SECRET, "https://hub.example.com").send(message(Device("mine", host)))
    assert caught.value.code == "bad_subscription"
    assert caught.value.suppress


GOOD = Device("good")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"endpoint": "http://fcm.googleapis.com/x"}, "endpoint"),
        ({"endpoint": "https://user:pass@fcm.googleapis.com/x"}, "endpoint"),
        ({"endpoint": "https:///x"}, "endpoint"),
        ({"endpoint": "https://push.evil.example.com/x"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com.evil.example.com/x"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com:8443/x"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com:/x"}, "endpoint"),
        ({"endpoint": "javascript:alert(1)"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com/" + "x" * 1024}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com/a b"}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"p256dh": ""}, "p256dh"),
        ({"p256dh": "AAAA"}, "p256dh"),
        ({"p256dh": "B" + "A" * 86}, "p256dh"),
        ({"p256dh": "<script>"}, "p256dh"),
        ({"auth": "AAAA"}, "auth"),
        ({"auth": "é"}, "auth"),
    ],
)
def test_a_subscription_that_is_none_is_named(change: dict[str, str], named: str) -> None:
    given = {**GOOD.form, **change}
    with pytest.raises(Invalid, match=f"^{named}: "):
        address_of(given["endpoint"], given["p256dh"], given["auth"])


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("fcm.googleapis.com", "Chrome"),
        ("updates.push.services.mozilla.com", "Firefox"),
        ("web.push.apple.com", "Safari"),
        ("db5p.notify.windows.com", "Edge"),
        ("push.example.com", "push.example.com"),
        ("evilgoogleapis.com", "evilgoogleapis.com"),
    ],
)
def test_a_device_is_called_by_its_browser(host: str, name: str) -> None:
    assert shown(Device("x", host).address).split(" · ")[0] == name


def test_what_takes_one_push_back_overtakes_it_where_it_still_waits(service: Receiver) -> None:
    device = Device("mine")
    push(service).send(message(device))
    push(service).send(message(device, line="", text="", recalls=(LINE.replace("-", ""),)))
    push(service).send(message(device, line="", text="", recalls=("a" * 32, "b" * 32)))
    first, one, two = service.got
    assert one.headers["topic"] == first.headers["topic"] != two.headers["topic"]
    assert device.reads(two.body) == {
        "recalls": ["a" * 32, "b" * 32],
        "title": "New job: R-1",
        "body": "",
    }


def test_as_many_tags_as_one_may_have_are_no_more_than_a_service_takes(service: Receiver) -> None:
    many = tuple(f"{number:032x}" for number in range(recall.MOST))
    push(service).send(message(Device("mine"), subject="Ü" * 500, text="Ü" * 500, recalls=many))
    assert len(service.got[0].body) <= 4096


@pytest.mark.parametrize(
    "said",
    [
        "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.",
        '{"reason":"VapidPkHashMismatch"}',
    ],
)
def test_a_subscription_of_another_key_is_gone_for_us(service: Receiver, said: str) -> None:
    service.answer(403, said)
    with pytest.raises(GiveUp) as caught:
        push(service).send(message(Device("mine")))
    assert caught.value.suppress
