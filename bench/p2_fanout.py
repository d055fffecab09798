"""P2: one message to all of 5,000 streams, until the last has it.

Ours is a broadcast as the product tells it: one message on Valkey, which names each person, their counter and their
own line; the peers send everybody the same bytes. The lines are in the database before, the telling is timed.
"""

from __future__ import annotations

from bench.harness import Effort, Report
from bench.streams import NCHAN_ONE, NCHAN_TWO, OURS, measure

__all__ = ["run"]


def run(effort: Effort) -> Report:
    """Measure and report."""
    measured = measure(effort)
    report = Report(
        "p2", f"One message to all of {measured.clients:,} streams: until the last has it", effort
    )
    found = {name: one for name, one in measured.found.items() if name != NCHAN_ONE}
    for name, one in found.items():
        goal = {"of": NCHAN_TWO, "at_most": 1.0} if name == OURS and NCHAN_TWO in found else {}
        report.add(name, one.last, "ms", **goal)  # type: ignore[arg-type]
    for name, one in found.items():
        report.add(f"  until half have it: {name}", one.half, "ms")
    return report
