"""Who may call a route: said at each view by `@allow`, checked before it runs, refused where nothing is said.

`public`: anybody. `member`: signed in, as any person of an organisation. `office`: managers and administrators.
`administrator`: only they. `key`: a program that acts for a person by its key (`api.access`); a session is worth nothing
there. `source`: signed machine traffic, which the view itself authenticates. A view without a
guard is refused at run time and fails a test of the house.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from notify_app.errors import Forbidden
from notify_app.web.api import access
from notify_app.web.identity import viewer_or_none

__all__ = ["GUARDS", "allow", "enforce"]

GUARDS = ("public", "source", "key", "member", "office", "administrator")
View = TypeVar("View", bound=Callable[..., Any])


def allow(who: str) -> Callable[[View], View]:
    """Mark a view. Raises ValueError at import for a word that is not a guard."""
    if who not in GUARDS:
        raise ValueError(f"{who!r} is not one of {', '.join(GUARDS)}")

    def mark(view: View) -> View:
        view.guard = who  # type: ignore[attr-defined]
        return view

    return mark


def enforce() -> ResponseReturnValue | None:
    """Before each request: let it pass, lead to the sign-in page, or refuse."""
    if request.endpoint is None or request.endpoint == "static":
        return None
    guard = getattr(current_app.view_functions[request.endpoint], "guard", None)
    if guard in ("public", "source"):
        return None
    if guard == "key":
        access.authenticate()
        return None
    viewer = viewer_or_none()
    if viewer is None:
        if guard is None:
            abort(404)
        return _sign_in_first()
    if guard == "member":
        return None
    if guard == "office" and viewer.office:
        return None
    if guard == "administrator" and viewer.role == "administrator":
        return None
    raise Forbidden("This page is for the office.")


def _sign_in_first() -> ResponseReturnValue:
    if request.method != "GET" or request.accept_mimetypes.best in ("text/event-stream", "application/json"):
        abort(401)
    return redirect(url_for("sign_in.show", next=request.full_path.rstrip("?")), 303)
