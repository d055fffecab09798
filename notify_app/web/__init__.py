"""The pages and what programs call. `init_app` is the list of both."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from flask import Flask, abort, current_app, g, request
from flask_babel import get_locale

from notify_app.config import Settings
from notify_app.extensions import db
from notify_app.live.handover import Handover
from notify_app.policy.channel import sign
from notify_app.web import guard, headers, identity, problems
from notify_app.web.extensions import babel, compress, csrf, limiter, login, migrate

__all__ = ["SCREENS", "init_app"]

SCREENS = (
    "sign_in",
    "home",
    "inbox",
    "notification",
    "alert",
    "stream",
    "branding",
    "dashboard",
    "dead_letters",
    "deliveries",
    "running",
    "work",
    "new_item",
    "item",
    "compose",
    "sent",
    "rollcall",
    "people",
    "suppressed",
    "unsubscribe",
    "welcome",
    "invited",
    "switches",
    "spend",
    "rules",
    "templates",
    "tasks",
    "cover",
    "record",
    "preferences",
    "providers",
    "push",
    "channel_order",
    "verification",
    "outbox",
    "link",
    "theme",
    "organisation",
    "api.hooks",
    "api.receipts",
    "api.telegram",
    "api.health",
    "api.openapi",
    "api.items",
    "api.notifications",
    "api.events",
    "api.people",
    "api.happenings",
    "keys",
    "endpoints",
)


def init_app(app: Flask) -> None:
    """Bind the extensions, register every screen, guard every request."""
    migrate.init_app(app, db, directory=str(Path(app.root_path) / "migrations"))
    login.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)
    compress.init_app(app)
    babel.init_app(app, locale_selector=_locale, timezone_selector=_zone)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for name in SCREENS:
        app.register_blueprint(importlib.import_module(f"notify_app.web.{name}").blueprint)
    problems.init_app(app)
    app.before_request(_refuse_nul)
    app.before_request(identity.enter_scope)
    app.before_request(guard.enforce)
    app.teardown_request(identity.leave_scope)
    app.after_request(headers.put_on)
    app.context_processor(_everywhere)
    app.jinja_env.globals["channel_sign"] = sign  # macros see no other
    app.wsgi_app = Handover(app.wsgi_app, "/stream")  # type: ignore[method-assign]


def _refuse_nul() -> None:
    """No field of a form or an address may hold a NUL: PostgreSQL stores none, and nobody types one."""
    for values in (request.args, request.form):
        if any("\x00" in text for pair in values.items(multi=True) for text in pair):
            abort(400)


def _locale() -> str | None:
    reader = identity.viewer_or_none() or g.get("caller")
    return reader.locale if reader else None


def _zone() -> str | None:
    reader = identity.viewer_or_none() or g.get("caller")
    return reader.zone if reader else None


def _everywhere() -> dict[str, Any]:
    """What base.html needs on every page. Errors outside a signed-in request get the empty form."""
    from notify_app.web.words import me_of

    settings: Settings = current_app.extensions["hub"]
    viewer = g.get("viewer")
    unread, cursor = _inbox_state(viewer)
    theme = request.cookies.get("theme", "auto")
    return {
        "me": me_of(viewer) if viewer else None,
        "unread": unread,
        "cursor": cursor,
        "theme": theme if theme in ("light", "dark") else "auto",
        "demo": settings.env == "demo",
        "locale": str(get_locale() or "en"),
        "product": "Notification Hub",
        "switched_off": viewer.switched_off if viewer and viewer.office and not g.get("failed") else "",
    }


def _inbox_state(viewer: identity.Viewer | None) -> tuple[int, str]:
    """Unread lines of all the account's people, and the stream's cursor that this page corresponds to."""
    if viewer is None or getattr(g, "failed", False):
        return 0, ""
    from notify_app.live import cursor

    if "inbox_state" not in g:
        g.inbox_state = cursor.state([(one.organisation_id, one.person_id) for one in viewer.memberships])
    unread, token = g.inbox_state
    return unread, token
