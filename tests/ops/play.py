"""A person at a terminal, as a program: starts engines or a supervisor until it is killed.

play.py engines <directory> [--as UID] [--no-death-signal]     prints one JSON line when they are ready
play.py watch <JSON list of process lines>                     runs the supervisor on stand-in processes
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from notify_app import engine_home, engines, processes, supervisor


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("engines", "watch"))
    parser.add_argument("argument")
    parser.add_argument("--as", dest="uid", type=int)
    parser.add_argument("--no-death-signal", action="store_true")
    options = parser.parse_args()
    if options.no_death_signal:
        processes._prctl = lambda: None  # type: ignore[assignment]
    if options.what == "watch":
        table = [supervisor.Process(**line) for line in json.loads(options.argument)]
        return supervisor.run(processes=table, prepare=False)
    if options.uid:
        become(options.uid)
    return run_engines(Path(options.argument))


def become(uid: int) -> None:
    """An ordinary user from here on. What lies behind directories that it cannot enter is looked up before."""
    ordinary = engine_home.User("ordinary", uid, uid)
    programs, valkey = engine_home.postgres_programs(ordinary), engine_home.valkey_program(ordinary)
    engine_home.postgres_programs = lambda who: programs
    engine_home.valkey_program = lambda who: valkey
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def run_engines(directory: Path) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        running = engines.Engines.start(directory, durable=False)
    except engines.EngineFailed as problem:
        print(json.dumps({"refused": str(problem)}), flush=True)
        return 1
    with running:
        told = {"pids": running.pids, "env": running.env, "home": str(running.home), "uid": running.user.uid}
        print(json.dumps(told), flush=True)
        signal.sigwait({signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
