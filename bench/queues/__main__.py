"""`python -m bench.queues celery|dramatiq|huey COUNT`: enqueue so many jobs."""

from __future__ import annotations

import importlib
import sys

if __name__ == "__main__":
    importlib.import_module(f"bench.queues.{sys.argv[1]}_app").enqueue(int(sys.argv[2]))
