"""What Telegram brings: `POST /inbound/telegram`, what people write to the bot and the buttons that they press.

Believed is only what shows the secret that `flask telegram` has agreed with Telegram; anything else is 403 and leaves nothing.
The answer carries what the bot says, so that nothing has to be sent. 503: send it again.
"""

from __future__ import annotations

import hmac
from typing import Any

from flask import Blueprint, Response, jsonify, request

from notify_app.channels import asked
from notify_app.channels.telegram import TELEGRAM
from notify_app.channels.telegram_update import Left, Pressed, Said, Started, Update, read
from notify_app.errors import Forbidden, HubError, Invalid, NotFound
from notify_app.extensions import db
from notify_app.pipeline import strict_json
from notify_app.pipeline.step import hub
from notify_app.secrets import Secrets
from notify_app.web.extensions import csrf
from notify_app.web.guard import allow
from notify_app.web.problems import problem
from notify_app.work import chats

__all__ = ["SHARED", "blueprint"]

blueprint = Blueprint("telegram", __name__)

MOST = 128 * 1024
SHARED = "telegram"  # the purpose of the secret
HEADER = "X-Telegram-Bot-Api-Secret-Token"
LONGEST_ALERT = 200  # characters that Telegram shows


@blueprint.post("/inbound/telegram")
@allow("source")
@csrf.exempt
def take() -> Response:
    """What somebody has done in a chat with the bot."""
    try:
        update = read(_given())
    except HubError as error:
        return problem(error)
    return jsonify(_done(update) if update else {})


def _given() -> dict[str, Any]:
    """The update, which Telegram has sent. Raises NotFound, Forbidden, Invalid."""
    if asked(hub(), TELEGRAM.name)[0] != "bot":
        raise NotFound("There is no bot here.")
    secret = Secrets(hub().secret_key).shared(SHARED)
    if not hmac.compare_digest(request.headers.get(HEADER, "").encode(), secret.encode()):
        raise Forbidden("This is not from Telegram. If it is, run `flask telegram` again.")
    request.max_content_length = MOST + 2
    body = request.stream.read(MOST + 1)
    if len(body) > MOST:
        raise Invalid(f"Send at most {MOST // 1024} KiB.")
    return strict_json.read(body)


def _done(update: Update) -> dict[str, Any]:
    """Do it; the method of the Bot API that says so."""
    with db.engines["engine"].connect() as conn:
        match update:
            case Started(chat, token):
                return _says(chat, chats.connect(conn, token, chat))
            case Left(chat, answered):
                words = chats.leave(conn, chat)
                return _says(chat, words) if answered else {}
            case Pressed(chat, query, event_id):
                words = chats.press(conn, chat, event_id)[:LONGEST_ALERT]
                return {
                    "method": "answerCallbackQuery",
                    "callback_query_id": query,
                    "text": words,
                    "show_alert": True,
                }
            case Said(chat):
                return _says(chat, chats.connect(conn, "", chat))


def _says(chat: str, words: str) -> dict[str, Any]:
    return {"method": "sendMessage", "chat_id": int(chat), "text": words}
