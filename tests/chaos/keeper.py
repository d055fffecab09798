"""The real supervisor on its real table, for tests that kill what it keeps: `python -m tests.chaos.keeper`.

The command lines are the product's own. Before each stands only what tells PostgreSQL the name of the process, so
that a test can see whose transaction is open.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from notify_app.processes import die_with_parent
from notify_app.supervisor import TABLE, Process, run


def named(line: Process) -> Process:
    """The same line, whose connections carry its name."""
    return replace(line, command=("/usr/bin/env", f"PGAPPNAME={line.name}", *line.command))


if __name__ == "__main__":
    die_with_parent()
    sys.exit(run(processes=[named(line) for line in TABLE]))
