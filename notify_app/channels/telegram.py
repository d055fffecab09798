"""Telegram: what it is, and the one bot that sends by its Bot API (requirement E6).

Only private chats, that a person has begun with a start link: nobody's id is typed or guessed, and a group, whose id
changes and whose members nobody knows, is never written to.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from notify_app.channels.base import (
    Channel,
    ChannelFailure,
    GiveUp,
    Invalid,
    Message,
    Misconfigured,
    Receipt,
    Throttled,
    TryLater,
    Unsendable,
)
from notify_app.channels.http import call, said
from notify_app.channels.local import Local
from notify_app.outgoing import Answer
from notify_app.policy.channel import ChannelType, Limit, Provider, Schedule, declare, gaps

__all__ = ["ACKNOWLEDGE", "TELEGRAM", "Bot"]

HOME = "https://api.telegram.org"
TOKEN = re.compile(r"\d{5,20}:[A-Za-z0-9_-]{30,64}")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
CHAT = re.compile(r"[1-9]\d{0,15}")  # of a private chat; those of groups are negative
LONGEST = 3500  # characters; the API takes 4,096 after the marks of its HTML are taken out
ACKNOWLEDGE = "see:"  # callback data: this and the event's id; the API takes 64 bytes
# of a bad request, what says that the chat is gone (the rest is about what was written)
GONE = ("chat not found", "user is deactivated", "peer_id_invalid", "user not found")


def clean(chat: str) -> str:
    """The id of a private chat. Raises Invalid."""
    if not CHAT.fullmatch(chat):
        raise Invalid("This is not the id of a private chat with the bot.")
    return chat


class Bot:
    """One bot over one Bot API. Safe to use from many threads at once: it holds nothing open."""

    name = "telegram"
    provider = "bot"
    instant = False

    def __init__(self, token: str, *, instead: str = "") -> None:
        self._token, self._instead = token, instead

    def clean(self, address: str) -> str:
        return clean(address)

    def send(self, message: Message) -> Receipt:
        try:
            chat = self.clean(message.address)
        except Invalid as error:
            raise Unsendable(str(error), "bad_chat", suppress=True) from error
        given = self._ask("sendMessage", {"chat_id": int(chat), **written(message)})
        return Receipt("bot", f"{chat}/{given.get('message_id', '')}", "ok")

    def name_of_bot(self) -> str:
        """What the bot is called, without the @. Raises ChannelFailure."""
        return str(self._ask("getMe", {}).get("username", ""))

    def listen(self, url: str, secret: str) -> None:
        """Have Telegram report to this https address, with this secret in each request. Raises ChannelFailure."""
        wanted = ["message", "callback_query", "my_chat_member"]
        self._ask("setWebhook", {"url": url, "secret_token": secret, "allowed_updates": wanted})

    def close(self) -> None:
        """Nothing is open."""

    def _ask(self, method: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        body = json.dumps(values).encode()
        url = f"{HOME}/bot{self._token}/{method}"
        answer = call(url, body, {"Content-Type": "application/json"}, instead=self._instead)
        given = _object(answer)
        if answer.status == 200 and given.get("ok") is True:
            result = given.get("result")
            return result if isinstance(result, dict) else {}
        raise judge(answer, given)


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        given = json.loads(answer.body)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def judge(answer: Answer, given: Mapping[str, Any]) -> ChannelFailure:
    """What the Bot API means by an error (reliability.md §3.2)."""
    words, code = str(given.get("description", "")), str(answer.status)
    reason = f"{code} {words}".strip() if words else said(answer)
    parameters = given.get("parameters")
    asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
    match answer.status:
        case 429:
            after = timedelta(seconds=asked) if isinstance(asked, int) and 0 < asked < 86_400 else None
            return Throttled(reason, code, after)
        case 401 | 404:  # the API says so of a token that is none
            return Misconfigured(reason, code)
        case 403:
            return GiveUp(reason, code, suppress=True)
        case 400:
            return GiveUp(reason, code, suppress=any(one in words.lower() for one in GONE))
    return TryLater(reason, code)


def written(message: Message) -> dict[str, Any]:
    """The text with its title in bold, and its buttons."""
    link = message.link or ""
    words = message.text if len(message.text) <= LONGEST else f"{message.text[:LONGEST].rsplit(' ', 1)[0]} …"
    lines = [f"<b>{_plain(message.subject)}</b>", _plain(words)] if message.subject else [_plain(words)]
    buttons = []
    if message.asks:
        buttons.append({"text": "Acknowledge", "callback_data": f"{ACKNOWLEDGE}{message.asks}"})
    if link.startswith("https://"):
        buttons.append({"text": "Open", "url": link})
    elif link:  # the API refuses a button that leads to such an address
        lines.append(_plain(link))
    return {
        "text": "\n\n".join(lines),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},  # a preview would fetch a private link
        "disable_notification": message.priority == "low",
        **({"reply_markup": {"inline_keyboard": [buttons]}} if buttons else {}),
    }


def _plain(words: str) -> str:
    return html.escape(words, quote=False)


def _bot(settings: Any, url: str) -> Channel:  # noqa: ARG001 - a chat is one bot's: there is no second account
    if not TOKEN.fullmatch(settings.telegram_token):
        raise ValueError("HUB_TELEGRAM_TOKEN: set it to the bot's token, as @BotFather has given it")
    if not NAME.fullmatch(settings.telegram_bot):
        raise ValueError("HUB_TELEGRAM_BOT: set it to the bot's name, without the @")
    return Bot(settings.telegram_token, instead=settings.telegram_url)


TELEGRAM = ChannelType(
    name="telegram",
    title="Telegram",
    spoken="Telegram",
    text="Messages of a bot, in a chat that each person has begun. They stand in for SMS and email, and cost nothing.",
    sign="send",
    place=3,
    rank=0,
    told=("urgent",),
    by_wish=True,
    replaces=("sms", "email"),  # A5; what is urgent comes by them too
    parts={"subject": "title", "text": "text"},
    answers="button",
    shown=lambda chat: f"Chat {chat}",
    # At 0, 5 s, 30 s, 2, 10 min. Nothing folds a second message in a chat, so one in doubt is sent once more only.
    schedule=Schedule(
        attempts=6,
        gaps=gaps(5, 30, 120, 600),
        max_age={"urgent": timedelta(hours=1), "": timedelta(hours=6)},
        ambiguous_retries={"": 1},
    ),
    limits=(
        Limit("telegram_an_hour", "telegram", 60, timedelta(hours=1), "Telegram messages in an hour"),
        Limit("telegram_a_day", "telegram", 300, timedelta(days=1), "Telegram messages in a day"),
    ),
    forgets=True,
    providers={
        "local": Provider(
            "Kept on this machine and shown on the outbox page.",
            lambda _settings, _url: Local("telegram", clean),
        ),
        "bot": Provider(
            "A bot of Telegram, by `HUB_TELEGRAM_TOKEN` and `HUB_TELEGRAM_BOT`.", _bot, rate="25/s"
        ),
    },
)
declare(TELEGRAM)
