"""The notification and escalation hub. `create_app` reads as the list of what is wired."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from notify_app.config import Settings

__all__ = ["create_app"]


def create_app(settings: Settings | None = None, *, pages: bool = True) -> Flask:
    """Make the application, with its pages and commands or without them (a worker needs neither). Starts no
    server and no engine; raises SettingsError or PackError at once when a setting or a domain pack cannot be used.
    (Imports stand here so that the supervisor, which needs only the package's name, stays small.)"""
    from pathlib import Path

    from flask import Flask

    from notify_app import domains, extensions, tenancy
    from notify_app.config import Settings
    from notify_app.pipeline import wording

    make: type[Flask] = Flask
    if pages:
        from notify_app.web.machines import HubFlask

        make = HubFlask
    settings = settings or Settings.from_env()
    root = Path(__file__).resolve().parent.parent
    app = make(
        "notify_app",
        root_path=str(root),
        template_folder=str(root / "templates"),
        static_folder=str(root / "static"),
        instance_path=str(settings.instance.resolve()),
    )
    app.config.from_mapping(_flask_config(settings))
    app.extensions["hub"] = settings
    _check_prices(settings)
    _check_accounts(settings)  # by which the channels are known, which packs name
    domains.load()
    wording.check_files()

    extensions.db.init_app(app)
    with app.app_context():
        tenancy.guard_engine(extensions.db.engine)
    tenancy.guard_sessions(extensions.db.session)
    if pages:
        from notify_app import cli, web

        if settings.trusted_proxies:
            from werkzeug.middleware.proxy_fix import ProxyFix

            hops = settings.trusted_proxies
            app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
        web.init_app(app)
        cli.init_app(app)
    return app


def _check_accounts(settings: Settings) -> None:
    """A provider or an account that cannot be read stops the start, not the first message."""
    from notify_app import channels
    from notify_app.config import SettingsError

    try:
        channels.build(settings)
    except ValueError as error:
        raise SettingsError(f"{error}.") from None


def _check_prices(settings: Settings) -> None:
    """A price that cannot be read stops the start."""
    from notify_app.config import SettingsError
    from notify_app.policy.sms import prices

    try:
        prices(settings.sms_prices)
    except ValueError as error:
        raise SettingsError(f"HUB_SMS_PRICES: {error}.") from None


def _flask_config(settings: Settings) -> dict[str, object]:
    secure = settings.base_url.startswith("https://")
    # nobody waits for ever for a lock that a frozen process holds: a page says so after seconds, a worker goes on
    limits = "-c lock_timeout=3s -c statement_timeout=15s -c idle_in_transaction_session_timeout=30s"
    pool = {
        "pool_pre_ping": True,
        "pool_timeout": 3,
        # what is over the size is closed after each use; to open it again costs more than most requests
        "pool_size": 20,
        "max_overflow": 5,
        "connect_args": {"options": limits},
    }
    # an error of the database is logged without the people's data that its statement carried
    pool |= {"hide_parameters": True}
    return {
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": pool,
        "SQLALCHEMY_BINDS": {"engine": {"url": settings.database_engine_url, **pool}},
        "MAX_CONTENT_LENGTH": 1024 * 1024,
        "WTF_CSRF_TIME_LIMIT": None,  # a phone's tab stays open for days
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": secure,
        # the prefix makes browsers refuse the cookie from anywhere but this very host
        "SESSION_COOKIE_NAME": "__Host-hub" if secure else "hub",
        # the limiter's library knows a socket by another scheme than redis-py
        "RATELIMIT_STORAGE_URI": re.sub(r"^unix://", "redis+unix://", settings.redis_url),
        "RATELIMIT_HEADERS_ENABLED": True,
        "BABEL_DEFAULT_LOCALE": "en",
        # pages and scripts only: a compressor would hold back the frames of a stream
        "COMPRESS_MIMETYPES": [
            "text/html",
            "text/css",
            "text/javascript",
            "application/json",
            "image/svg+xml",
        ],
        "COMPRESS_ALGORITHM": "gzip",
    }
