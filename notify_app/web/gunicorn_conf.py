"""gunicorn's configuration. The first line patches the standard library for gevent: before anything else is imported."""

from gevent import monkey

monkey.patch_all()

import gc  # noqa: E402  (after patching, on purpose)
import os  # noqa: E402
from typing import Any  # noqa: E402

from notify_app.live import handover  # noqa: E402
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
    """The application is loaded: its hub begins to listen, for as long as this worker serves. What was loaded stays,
    and is kept out of the way of the collector of garbage, which would stop all streams to walk through it."""
    handover.permit(type(worker))
    if "hub" in getattr(worker.wsgi, "extensions", ()):
        from notify_app.live import hub

        hub.of(worker.wsgi).alive = lambda: bool(worker.alive)
    gc.collect()
    gc.freeze()


def worker_exit(_: Any, worker: Any) -> None:
    """The last moment of a worker that ends in order: its streams are told when to come back."""
    application = getattr(worker, "wsgi", None)
    if live := getattr(application, "extensions", {}).get("hub.live"):
        live.leave()
