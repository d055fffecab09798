"""Telegram's Bot API: what a bot sends, what each answer means, and what is read of its updates (E6; reliability.md §3.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from notify_app.channels.base import (
    Ambiguous,
    ChannelFailure,
    GiveUp,
    Message,
    Misconfigured,
    Throttled,
    TryLater,
)
from notify_app.channels.telegram import LONGEST, Bot
from notify_app.channels.telegram_update import Left, Pressed, Said, Started, read
from tests.channels.receiver import Receiver

pytestmark = pytest.mark.proves("E6")

TOKEN = "123456789:" + "A" * 35
CHAT = "700100200"
EVENT = "01a219b1-9758-7549-b476-fda421000001"


@pytest.fixture
def api() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def message(**more: Any) -> Message:
    given = {
        "subject": "New job: R-1",
        "text": "Windshield <VW> & seal.",
        "link": "https://hub.example.com/jobs/1",
    }
    return Message("d-1", "telegram", CHAT, 1, "key-1", "high", **{**given, **more})


def bot(api: Receiver) -> Bot:
    return Bot(TOKEN, instead=api.url)


def ok(api: Receiver) -> None:
    api.answer(200, json.dumps({"ok": True, "result": {"message_id": 77}}))


def refused(api: Receiver, status: int, words: str, **parameters: Any) -> None:
    body = {"ok": False, "error_code": status, "description": words, "parameters": parameters}
    api.answer(status, json.dumps(body))


def sent(api: Receiver, **more: Any) -> dict[str, Any]:
    ok(api)
    bot(api).send(message(**more))
    said: dict[str, Any] = json.loads(api.got[-1].body)
    return said


def test_a_message_has_its_title_its_words_and_its_buttons(api: Receiver) -> None:
    ok(api)
    receipt = bot(api).send(message(asks=EVENT))
    assert (receipt.provider, receipt.provider_id) == ("bot", f"{CHAT}/77")
    asked = api.got[0]
    assert (asked.method, asked.path) == ("POST", f"/bot{TOKEN}/sendMessage")
    said = json.loads(asked.body)
    assert (said["chat_id"], said["parse_mode"]) == (int(CHAT), "HTML")
    assert said["text"] == "<b>New job: R-1</b>\n\nWindshield &lt;VW&gt; &amp; seal."
    assert said["link_preview_options"] == {"is_disabled": True}
    acknowledge, leads = said["reply_markup"]["inline_keyboard"][0]
    assert acknowledge == {"text": "Acknowledge", "callback_data": f"see:{EVENT}"}
    assert len(acknowledge["callback_data"].encode()) <= 64
    assert leads == {"text": "Open", "url": "https://hub.example.com/jobs/1"}


def test_what_asks_nothing_and_leads_nowhere_has_no_button(api: Receiver) -> None:
    assert "reply_markup" not in sent(api, link=None)


def test_an_address_that_a_button_may_not_have_stands_in_the_text(api: Receiver) -> None:
    said = sent(api, link="http://127.0.0.1:8000/jobs/1?a=1&b=2")
    assert "reply_markup" not in said
    assert said["text"].endswith("http://127.0.0.1:8000/jobs/1?a=1&amp;b=2")


def test_what_is_too_long_is_cut_at_a_word(api: Receiver) -> None:
    said = sent(api, subject="", text="many words " * 1000)
    assert len(said["text"]) <= LONGEST + 2
    assert said["text"].endswith(("many …", "words …"))


@pytest.mark.parametrize(
    ("status", "words", "failure", "gone"),
    [
        (400, "Bad Request: chat not found", GiveUp, True),
        (400, "Bad Request: can't parse entities", GiveUp, False),
        (401, "Unauthorized", Misconfigured, None),
        (403, "Forbidden: bot was blocked by the user", GiveUp, True),
        (403, "Forbidden: user is deactivated", GiveUp, True),
        (404, "Not Found", Misconfigured, None),
        (500, "Internal Server Error", TryLater, None),
        (502, "Bad Gateway", TryLater, None),
    ],
)
def test_each_answer_is_of_its_class(
    api: Receiver, status: int, words: str, failure: type[ChannelFailure], gone: bool | None
) -> None:
    refused(api, status, words)
    with pytest.raises(failure, match=str(status)) as caught:
        bot(api).send(message())
    assert getattr(caught.value, "suppress", None) == gone


def test_the_wait_that_it_asks_for_is_the_wait(api: Receiver) -> None:
    refused(api, 429, "Too Many Requests: retry after 17", retry_after=17)
    with pytest.raises(Throttled) as caught:
        bot(api).send(message())
    assert caught.value.after == timedelta(seconds=17)


@pytest.mark.parametrize("asked", [-1, 0, "soon", None, 10**9])
def test_a_wait_that_is_none_is_left_out(api: Receiver, asked: Any) -> None:
    refused(api, 429, "Too Many Requests", retry_after=asked)
    with pytest.raises(Throttled) as caught:
        bot(api).send(message())
    assert caught.value.after is None


@pytest.mark.parametrize("body", ["", "<html>gateway</html>", "[]", '{"ok": false}', '{"ok": 1}'])
def test_an_answer_that_says_nothing_is_no_success(api: Receiver, body: str) -> None:
    api.answer(200, body)
    with pytest.raises(TryLater):
        bot(api).send(message())


def test_a_lost_answer_is_in_doubt_and_says_no_token(api: Receiver) -> None:
    api.cut()
    with pytest.raises(Ambiguous) as caught:
        bot(api).send(message())
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("chat", ["", "0", "-100123", "@olga", "12 34", "1" * 30])
def test_what_is_no_private_chat_is_not_written_to(api: Receiver, chat: str) -> None:
    with pytest.raises(GiveUp) as caught:
        bot(api).send(Message("d", "telegram", chat, 1, "k", "high", text="x"))
    assert caught.value.suppress and api.got == []


PRIVATE = {"chat": {"id": int(CHAT), "type": "private"}}


@pytest.mark.parametrize(
    ("update", "meant"),
    [
        ({"message": {**PRIVATE, "text": "/start abc_DEF-1"}}, Started(CHAT, "abc_DEF-1")),
        ({"message": {**PRIVATE, "text": "/start"}}, Started(CHAT, "")),
        ({"message": {**PRIVATE, "text": "/START@hub_bot  tok"}}, Started(CHAT, "tok")),
        ({"message": {**PRIVATE, "text": "/stop"}}, Left(CHAT, answered=True)),
        ({"message": {**PRIVATE, "text": "hello"}}, Said(CHAT)),
        ({"message": {**PRIVATE, "photo": []}}, Said(CHAT)),
        ({"message": {"chat": {"id": -100123, "type": "supergroup"}, "text": "/start abc"}}, None),
        ({"message": {"chat": {"id": -100123, "type": "private"}, "text": "/start abc"}}, None),
        ({"message": {"chat": {"id": True, "type": "private"}, "text": "/start abc"}}, None),
        ({"message": {"chat": "x", "text": "/start abc"}}, None),
        (
            {"my_chat_member": {**PRIVATE, "new_chat_member": {"status": "kicked"}}},
            Left(CHAT, answered=False),
        ),
        ({"my_chat_member": {**PRIVATE, "new_chat_member": {"status": "member"}}}, None),
        (
            {"callback_query": {"id": "9", "from": {"id": int(CHAT)}, "data": f"see:{EVENT}"}},
            Pressed(CHAT, "9", UUID(EVENT)),
        ),
        (
            {"callback_query": {"id": "9", "from": {"id": int(CHAT)}, "data": "see:x"}},
            Pressed(CHAT, "9", None),
        ),
        ({"callback_query": {"id": "9", "from": {"id": int(CHAT)}, "data": EVENT}}, Pressed(CHAT, "9", None)),
        ({"callback_query": {"id": "9", "from": {"id": int(CHAT)}}}, None),
        ({"callback_query": {"id": 9, "from": None, "data": "see:x"}}, None),
        ({"edited_message": {**PRIVATE, "text": "/start abc"}}, None),
        ({}, None),
    ],
)
def test_what_an_update_means(update: dict[str, Any], meant: Any) -> None:
    assert read({"update_id": 1, **update}) == meant
