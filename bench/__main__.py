"""`python -m bench [--short] [name ...]`."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

from bench.harness import FULL, SHORT

NAMES = {
    "p1": "bench.p1_streams",
    "p2": "bench.p2_fanout",
    "p3": "bench.p3_one",
    "p4": "bench.p4_ingest",
    "p5": "bench.p5_routing",
    "p6": "bench.p6_delivery",
    "p7": "bench.p7_senders",
    "p8": "bench.p8_live",
    "p9": "bench.p9_broadcast",
    "p10": "bench.p10_sweeps",
    "p12": "bench.p12_memory",
    "r5": "bench.r5_ladders",
    "parts": "bench.parts",
}


def main() -> int:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks, peers beside ours.")
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"some of {', '.join(NAMES)}; none means all"
    )
    parser.add_argument("--short", action="store_true", help="little work: to see whether it runs")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in NAMES]:
        parser.error(f"{', '.join(unknown)}: there is {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended, files are removed
    for name in asked.names or NAMES:
        report = importlib.import_module(NAMES[name]).run(SHORT if asked.short else FULL)
        report.print()
        report.save()
    return 0


if __name__ == "__main__":
    sys.exit(main())
