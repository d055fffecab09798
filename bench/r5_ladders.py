"""R5: ten thousand tasks climb three levels each while five schedulers sweep at once: each level once, in order, in time.

The tasks open evenly over a minute and their levels lie a minute apart, so that about a hundred and seventy levels are due in each
second of two minutes. The five are processes of their own that sweep every two seconds, as five schedulers' workers would.
A level that is missing, doubled or out of order fails the benchmark.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

from bench.harness import SHORT, Effort, Report, percentile
from bench.stand import Stand, stand

__all__ = ["run", "sweep_for"]

TASKS, TASKS_SHORT = 10_000, 200
LEVELS, SCHEDULERS = 3, 5
OVER_SECONDS, OVER_SHORT = 60.0, 5.0
EVERY = 2.0
GIVE_UP = 120.0  # after the last level was due
LADDER = {"levels": [{"after": 1, "tell": ["office"], "priority": 4, "repeat": None}] * LEVELS}
FILL = (
    """
    INSERT INTO work_item (organisation_id, id, kind, number, title, status, known_at)
    SELECT %(org)s, uuidv7(), 'permit', 'P-' || n, 'Permit ' || n, 'submitted', now() FROM generate_series(1, %(tasks)s) AS n
    """,
    """
    INSERT INTO task (organisation_id, item_id, kind, name, step, round, hours, opened_at, due_at, ladder, next_level_at)
    SELECT organisation_id, id, 'permit', 'permit_verification', 'verification', 1, 1, at, at + interval '1 minute',
           %(ladder)s::jsonb, at + interval '1 minute'
    FROM (SELECT organisation_id, id, %(begin)s + (row_number() OVER (ORDER BY id)) * %(step)s::interval AS at FROM work_item) AS t
    """,
)
LATE = "SELECT extract(epoch FROM done_at - due_at) * 1000 FROM escalation"
WRONG = """
    SELECT count(*) FROM (
        SELECT task_id FROM escalation GROUP BY task_id
        HAVING count(*) <> %(levels)s OR count(DISTINCT level) <> %(levels)s
            OR array_agg(level ORDER BY done_at, level) <> array_agg(level ORDER BY level)) AS t
"""


def run(effort: Effort) -> Report:
    """Measure and report."""
    tasks = TASKS_SHORT if effort == SHORT else TASKS
    over = OVER_SHORT if effort == SHORT else OVER_SECONDS
    report = Report("r5", f"{tasks:,} tasks climb {LEVELS} levels under {SCHEDULERS} schedulers", effort)
    with stand() as here:
        here.build.person(here.organisation, here.source, "olga", role="manager")
        begin = datetime.now(UTC)
        with here.admin() as connection:
            for statement in FILL:
                values = {
                    "org": here.organisation.id,
                    "tasks": tasks,
                    "begin": begin,
                    "step": f"{over / tasks} seconds",
                    "ladder": json.dumps(LADDER),
                }
                connection.execute(statement, values)
            connection.execute("VACUUM ANALYZE")
        ends = over + 60.0 * LEVELS + GIVE_UP
        command = (sys.executable, "-m", "bench.r5_ladders", str(ends))
        for number in range(SCHEDULERS):
            here.run(f"scheduler-{number}", command)
        _until_all(here, tasks, begin.timestamp() + ends)
        _report(here, report)
    return report


def _until_all(here: Stand, tasks: int, until: float) -> None:
    while here.count("SELECT count(*) FROM escalation") < LEVELS * tasks:
        if time.time() > until:
            raise RuntimeError("some levels were never told")
        time.sleep(1)


def _report(here: Stand, report: Report) -> None:
    with here.admin() as connection:
        late = [float(row[0]) for row in connection.execute(LATE)]
        wrong = connection.execute(WRONG, {"levels": LEVELS}).fetchone()
    if wrong is None or wrong[0]:
        raise RuntimeError(f"{wrong} tasks have a level too many, too few or out of order")
    report.add("levels told, each once and in order", float(len(late)), "")
    report.add("late, p50", percentile(late, 0.5), "ms")
    report.add("late, p99", percentile(late, 0.99), "ms", at_most=10_000)
    report.add("late, the latest", max(late), "ms")


def sweep_for(seconds: float) -> None:
    """What each of the five does: sweep every two seconds, for so long."""
    from notify_app import create_app
    from notify_app.clock import now
    from notify_app.extensions import db
    from notify_app.sweeps import escalate

    app, until = create_app(), time.monotonic() + seconds
    while time.monotonic() < until:
        with app.app_context():
            with db.engines["engine"].connect() as conn:
                at = now(conn)
            escalate.run(at)
        time.sleep(EVERY)


if __name__ == "__main__":
    sweep_for(float(sys.argv[1]))
