"""What a WSGI server and the `flask` command load.

A server is given its environment. A `flask` command that is given none finds the hub that runs from this
directory, or starts the embedded engines for its own length.
"""

import atexit
import os
from contextlib import ExitStack

from notify_app import create_app


def _borrow_engines() -> None:
    from notify_app.engines import with_engines

    stack = ExitStack()
    os.environ.update(stack.enter_context(with_engines(os.environ)))
    atexit.register(stack.close)


if os.environ.get("FLASK_RUN_FROM_CLI") == "true" and not os.environ.get("DATABASE_URL"):
    _borrow_engines()

app = create_app()
