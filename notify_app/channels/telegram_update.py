"""What Telegram reports to a bot, as far as it means something here: read from its JSON, and nothing done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notify_app.channels.telegram import ACKNOWLEDGE, CHAT

__all__ = ["Left", "Pressed", "Said", "Started", "Update", "read"]


@dataclass(frozen=True)
class Started:
    """Somebody has opened the bot by a start link; `token` is empty when they found it by themselves."""

    chat: str
    token: str


@dataclass(frozen=True)
class Left:
    """They want nothing more: `/stop`, or they have blocked the bot (then nothing can be `answered`)."""

    chat: str
    answered: bool


@dataclass(frozen=True)
class Pressed:
    """They see to an event, by the button under its message."""

    chat: str
    query: str
    event_id: UUID | None


@dataclass(frozen=True)
class Said:
    """They wrote something else."""

    chat: str


Update = Started | Left | Pressed | Said


def read(given: Mapping[str, Any]) -> Update | None:
    """What an update means; None when it is nothing to us, such as what is said in a group."""
    if isinstance(query := given.get("callback_query"), dict):
        return _pressed(query)
    if isinstance(member := given.get("my_chat_member"), dict):
        new = member.get("new_chat_member")
        kicked = isinstance(new, dict) and new.get("status") == "kicked"
        chat = _private(member)
        return Left(chat, answered=False) if chat and kicked else None
    if isinstance(message := given.get("message"), dict):
        return _message(message)
    return None


def _message(message: Mapping[str, Any]) -> Update | None:
    chat, text = _private(message), message.get("text")
    if not chat or not isinstance(text, str):
        return Said(chat) if chat else None
    command, _, rest = text.strip().partition(" ")
    match command.partition("@")[0].lower():
        case "/start":
            return Started(chat, rest.strip())
        case "/stop":
            return Left(chat, answered=True)
    return Said(chat)


def _pressed(query: Mapping[str, Any]) -> Pressed | None:
    """Who pressed is asked, not where the button hangs: it may have been passed on."""
    sender, data, name = query.get("from"), query.get("data"), query.get("id")
    chat = _number(sender.get("id")) if isinstance(sender, dict) else ""
    if not chat or not isinstance(name, str) or not isinstance(data, str):
        return None
    return Pressed(chat, name, _event(data))


def _event(data: str) -> UUID | None:
    try:
        return UUID(data.removeprefix(ACKNOWLEDGE)) if data.startswith(ACKNOWLEDGE) else None
    except ValueError:
        return None


def _private(about: Mapping[str, Any]) -> str:
    chat = about.get("chat")
    return _number(chat.get("id")) if isinstance(chat, dict) and chat.get("type") == "private" else ""


def _number(value: object) -> str:
    return str(value) if isinstance(value, int) and CHAT.fullmatch(str(value)) else ""
