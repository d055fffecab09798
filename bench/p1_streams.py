"""P1: what an idle inbox stream costs the server's memory: 5,000 people, a stream each, one web process.

The growth of the server processes' resident memory, over the number of streams. The kernel's own memory for a
connection (about 5 KB at the server's end) comes on top of every server's.
"""

from __future__ import annotations

from bench.harness import Effort, Report, percentile
from bench.streams import NCHAN_TWO, OURS, measure

__all__ = ["run"]


def run(effort: Effort) -> Report:
    """Measure and report."""
    measured = measure(effort)
    report = Report("p1", f"{measured.clients:,} idle streams on one web process: memory a stream", effort)
    for name, found in measured.found.items():
        goal = {"of": NCHAN_TWO, "at_most": 0.25} if name == OURS and NCHAN_TWO in measured.found else {}
        report.add(name, found.kilobytes, "KB", **goal)  # type: ignore[arg-type]
    for name, found in measured.found.items():
        report.add(f"  opened: {name}", found.opened, "/s")
    for name, found in measured.found.items():
        report.add(f"  without a stream: {name}", found.base, "MB")
    twice = 2 * measured.clients
    report.add(f"{twice:,} streams, OURS: memory a stream", measured.twice.kilobytes, "KB")
    report.add("  all of the web server's processes", measured.twice_memory.rss, "MB")
    report.add("  opened", measured.twice.opened, "/s")
    report.add("  a message to all, until the last has it", measured.twice.last, "ms")
    report.add("  a message to one, p50", measured.twice.one_at(0.5), "ms")
    report.add("  a message to one, p99", measured.twice.one_at(0.99), "ms")
    restart = measured.restart
    report.add("  its worker killed: a new one serves after", restart.serves, "s")
    report.add("  half of the streams are back after", percentile(restart.back, 0.5), "s")
    report.add("  the last stream is back after", max(restart.back), "s")
    report.add("  a webhook meanwhile, p50", percentile(restart.webhooks, 0.5), "ms")
    report.add("  a webhook meanwhile, p99", percentile(restart.webhooks, 0.99), "ms")
    return report
