"""P3: one message to one of 5,000 streams, until it has it.

Ours passes through Valkey, as the product's processes tell each other; the peers are told in their own process.
"""

from __future__ import annotations

from bench.harness import Effort, Report
from bench.streams import NCHAN_TWO, OURS, measure

__all__ = ["run"]


def run(effort: Effort) -> Report:
    """Measure and report."""
    measured = measure(effort)
    report = Report("p3", f"One message to one of {measured.clients:,} streams", effort)
    for share, limits in ((0.5, {"of": f"{NCHAN_TWO}, p50", "at_most": 3.0}), (0.99, {"at_most": 3.0})):
        for name, found in measured.found.items():
            goal = limits if name == OURS and NCHAN_TWO in measured.found else {}
            report.add(f"{name}, p{share * 100:.0f}", found.one_at(share), "ms", **goal)  # type: ignore[arg-type]
    report.facts["messages"] = {name: len(found.one) for name, found in measured.found.items()}
    return report
