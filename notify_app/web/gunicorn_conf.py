"""gunicorn's configuration. The first line patches the standard library for gevent: before anything else is imported."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402  (after patching, on purpose)

bind = os.environ.get("HUB_BIND", "127.0.0.1:8000")
worker_class = "gevent"
workers = int(os.environ.get("HUB_WEB_PROCESSES", "1"))
# a stream is a connection; the default of 1,000 would refuse the rest
worker_connections = 10_000
graceful_timeout = 3
keepalive = 30
# signed bodies are at most 256 KiB; headers and request lines stay small
limit_request_line = 4096
accesslog = None
errorlog = "-"
loglevel = "warning"
