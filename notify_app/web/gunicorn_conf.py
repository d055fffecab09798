"""gunicorn's configuration. The first line patches the standard library for gevent: before anything else is imported."""

from gevent import monkey

monkey.patch_all()

import gc  # noqa: E402  (after patching, on purpose)
import os  # noqa: E402
from typing import Any  # noqa: E402

from notify_app.processes import raise_file_limit  # noqa: E402

bind = os.environ.get("HUB_BIND", "127.0.0.1:8000")
worker_class = "gevent"
workers = int(os.environ.get("HUB_WEB_PROCESSES", "1"))
# requests and idle connections at a time. Streams whose sockets were handed over are none: live.hub limits them
worker_connections = 10_000
graceful_timeout = 3
keepalive = 30
# signed bodies are at most 256 KiB; headers and request lines stay small
limit_request_line = 4096
accesslog = None
errorlog = "-"
loglevel = "warning"

raise_file_limit()


def post_worker_init(worker: Any) -> None:
    """The application is loaded: tell its hub how long this worker serves, and keep the collector of garbage from
    walking through all that was loaded, again and again, while streams wait."""
    if live := _hub(worker):
        live.alive = lambda: bool(worker.alive)
    gc.collect()
    gc.freeze()


def worker_exit(_: Any, worker: Any) -> None:
    """The last moment of a worker that ends in order: its streams are told when to come back."""
    if live := _hub(worker):
        live.leave()


def _hub(worker: Any) -> Any:
    """The hub of the application that this worker serves; None when it serves something else, or nothing yet."""
    from flask import Flask

    from notify_app.live import hub

    application = getattr(worker, "wsgi", None)
    return hub.of(application) if isinstance(application, Flask) else None
