"""Signing in and out. The answer to a wrong password and to an unknown address is the same, and takes as long."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import text

from notify_app.config import Settings
from notify_app.extensions import db
from notify_app.web import identity
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow

__all__ = ["FOR_AN_ADDRESS", "TRIES", "address_key", "blueprint", "safe_next"]

blueprint = Blueprint("sign_in", __name__)

# passwords of one address may be tried so often, wherever they are typed
FOR_AN_ADDRESS, TRIES = "10 per minute", "tries"

DEMO = text(
    "SELECT a.email, p.name, p.role, o.name AS organisation FROM account a JOIN person p ON p.account_id = a.id "
    "JOIN organisation o ON o.id = p.organisation_id WHERE p.left_at IS NULL ORDER BY o.name, "
    "array_position(ARRAY['manager', 'administrator', 'technician', 'contact'], p.role), p.name"
)


def address_key(email: str) -> str:
    """By what the tries of an address are counted."""
    return f"sign-in:{email.strip().lower()[:254]}"


def safe_next(value: str | None) -> str:
    """Where to go after: a path of this site, or its start."""
    value = value or ""
    parts = urlsplit(value)
    odd = any(ord(char) <= 32 for char in value) or "\\" in value
    if odd or parts.scheme or parts.netloc or not value.startswith("/") or value.startswith("//"):
        return url_for("home.show")
    return value


@blueprint.get("/sign-in")
@allow("public")
def show() -> ResponseReturnValue:
    """The form; somebody who is signed in goes on."""
    target = safe_next(request.args.get("next"))
    if identity.viewer_or_none():
        return redirect(target, 303)
    return _form("", target, None)


@blueprint.post("/sign-in")
@allow("public")
@limiter.limit("20 per minute")
@limiter.shared_limit(FOR_AN_ADDRESS, TRIES, key_func=lambda: address_key(request.form.get("email", "")))
def enter() -> ResponseReturnValue:
    """Check the password, or let a demo account in with one click when this is the demo."""
    target = safe_next(request.form.get("next"))
    if demo := request.form.get("demo"):
        entered = _is_demo() and _enter_demo(demo)
        email = demo
    else:
        email = request.form.get("email", "").strip()
        entered = identity.sign_in(email, request.form.get("password", ""))
    if entered:
        return redirect(target, 303)
    return _form(
        email, target, _("That address and password do not belong together. Check both and try again.")
    ), 401


@blueprint.post("/sign-out")
@allow("public")
def leave() -> ResponseReturnValue:
    """End the session."""
    identity.sign_out()
    return redirect(url_for("sign_in.show"), 303)


def _form(email: str, target: str, error: str | None) -> str:
    return render_template("sign_in.html", error=error, email=email, next=target, accounts=_accounts())


def _is_demo() -> bool:
    settings: Settings = current_app.extensions["hub"]
    return settings.env == "demo"


def _accounts() -> list[dict[str, str]]:
    if not _is_demo():
        return []
    titles = {
        "administrator": _("Administrator"),
        "manager": _("Office"),
        "technician": _("Technician"),
        "contact": _("Contact"),
    }
    with db.engines["engine"].connect() as conn:
        rows = conn.execute(DEMO).all()
    offices: dict[str, list[str]] = {}
    for row in rows:
        offices.setdefault(row.email, []).append(row.organisation)
    return [
        {
            "email": row.email,
            "name": row.name,
            "role_title": titles[row.role],
            "organisation": row.organisation,
            "note": _also([one for one in offices[row.email] if one != row.organisation]),
        }
        for row in rows
    ]


def _also(others: list[str]) -> str:
    """Where else the account is somebody."""
    return _("also at %(offices)s", offices=", ".join(others)) if others else ""


def _enter_demo(email: str) -> bool:
    with db.engines["engine"].connect() as conn:
        account = conn.execute(identity.FIND, {"email": email}).one_or_none()
    return account is not None and identity.open_session(account.id)
