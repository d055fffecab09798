"""Errors on the way out, mapped once: a page for people, `application/problem+json` (RFC 9457) for programs."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, g, jsonify, render_template, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from notify_app.errors import (
    Conflict,
    Forbidden,
    HubError,
    Invalid,
    NotFound,
    Refused,
    Unauthenticated,
    Unavailable,
)
from notify_app.pipeline.signature import BadSignature
from notify_app.web.machines import PREFIXES

__all__ = ["OUR_FAULT", "body_of", "init_app", "problem", "report"]

log = logging.getLogger(__name__)

STATUS: dict[type[HubError], int] = {
    BadSignature: 401,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Refused: 409,
    Invalid: 422,
    Unavailable: 503,
}
RETRY_SECONDS = "5"
OUR_FAULT = "Something went wrong here; nothing was kept."


def body_of(error: HubError, status: int | None = None) -> dict[str, Any]:
    """What a machine is told of an error: type, title, status, and each field with what to do."""
    code = status or STATUS.get(type(error), 400)
    body: dict[str, Any] = {"type": f"/docs/problems#{error.code}", "title": str(error), "status": code}
    if isinstance(error, Invalid):
        body["errors"] = [{"field": one.field, "message": one.message} for one in error.fields]
    return body


def problem(error: HubError, status: int | None = None) -> Response:
    """The machine's form of an error, as an answer of its own."""
    body = body_of(error, status)
    response = jsonify(body)
    response.status_code = body["status"]
    response.content_type = "application/problem+json"
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    if response.status_code == 503:
        response.headers["Retry-After"] = RETRY_SECONDS
    return response


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(HubError, _hub_error)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(PoolTimeout, _database_away)
    app.register_error_handler(Exception, _bug)


def _machine() -> bool:
    return (
        request.path.startswith(("/api/", *PREFIXES)) or request.accept_mimetypes.best == "application/json"
    )


def _hub_error(error: HubError) -> Any:
    status = STATUS.get(type(error), 400)
    return problem(error) if _machine() else (_page(status, str(error)), status)


def _http_error(error: HTTPException) -> Any:
    status = error.code or 500
    if status < 400:
        return error
    if _machine():
        named = HubError(error.name)
        named.code = error.name.lower().replace(" ", "-")
        response = problem(named, status)
        for name, value in error.get_headers():
            if name.lower() in ("allow", "retry-after"):
                response.headers[name] = value
        return response
    return _page(status), status


def _stale_form(error: CSRFError) -> Any:
    if _machine():
        return _http_error(error)
    return _page(400, _("The form was too old, or did not come from this site.")), 400


def _database_away(error: Exception) -> Any:
    log.warning("database away: %s", type(error).__name__)
    gone = Unavailable("The database is away for a moment; nothing was changed. Try again.")
    if _machine():
        return problem(gone)
    return _page(503), 503, {"Retry-After": RETRY_SECONDS}


def _bug(error: Exception) -> Any:
    report(error)
    if _machine():
        return problem(HubError(OUR_FAULT), 500)
    return _page(500), 500


def report(error: Exception) -> None:
    """Write down what should not have happened."""
    log.error(
        "unexpected error at %s %s", request.method, request.endpoint or "an unknown address", exc_info=error
    )


def _words(status: int) -> tuple[str, str, str, str]:
    """title, what happened, what was kept, what to do."""
    return {
        400: (
            _("This did not work"),
            _("The request could not be read."),
            _("Nothing was changed."),
            _("Go back, reload the page, and try again."),
        ),
        401: (
            _("Please sign in"),
            _("You are not signed in any more."),
            _("Nothing was changed."),
            _("Sign in and try again."),
        ),
        403: (
            _("Not for you"),
            _("You do not have the right to do this."),
            _("Nothing was changed."),
            _("Ask an administrator of your organisation."),
        ),
        404: (
            _("Nothing here"),
            _("There is no such page, or it is not yours to see."),
            _("Nothing was changed."),
            _("Check the address, or start from your inbox."),
        ),
        405: (
            _("This did not work"),
            _("The page does not take this kind of request."),
            _("Nothing was changed."),
            _("Start from your inbox."),
        ),
        409: (
            _("That changed meanwhile"),
            _("What you wanted to do is not possible any more."),
            _("Nothing was changed."),
            _("Look at it again, then decide."),
        ),
        413: (
            _("Too large"),
            _("What was sent is too large."),
            _("Nothing was kept."),
            _("Send less at once."),
        ),
        422: (
            _("Something is missing"),
            _("A field could not be used."),
            _("Nothing was changed."),
            _("Go back and correct it."),
        ),
        429: (
            _("Slow down, please"),
            _("There were too many tries in a short time."),
            _("Nothing was changed."),
            _("Wait a minute and try again."),
        ),
        503: (
            _("Back in a moment"),
            _("A part of the hub is away for a moment."),
            _("Everything that was confirmed is safe."),
            _("Try again in a few seconds."),
        ),
    }.get(
        status,
        (
            _("Something went wrong"),
            _("This is our fault, and it was recorded."),
            _("Everything that was confirmed is safe."),
            _("Try again; if it stays, tell your administrator."),
        ),
    )


def _page(status: int, happened: str = "") -> str:
    g.failed = True  # the page of an error asks the database for nothing
    title, usual, kept, todo = _words(status)
    action = {"title": _("To the start"), "url": url_for("home.show")}
    if status == 401:
        action = {"title": _("Sign in"), "url": url_for("sign_in.show")}
    return render_template(
        "error.html",
        code=status,
        title=title,
        happened=happened or usual,
        kept=kept,
        todo=todo,
        action=action,
        reference="",
    )
