"""Imports point down: edges → verbs → deciders and floor. Nobody imports an edge; deciders never see the database."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "notify_app"

# each room and the rooms that it may look into (its own is always allowed)
FLOOR = {"errors", "clock", "ids", "secrets", "config", "outgoing"}
DECIDERS = {"policy", "domains"}
BASE = FLOOR | DECIDERS | {"models", "extensions", "tenancy", "channels", "queue"}
VERBS = {"pipeline", "work", "sweeps", "live", "audit"}
EDGES = {
    "web",
    "jobs",
    "cli",
    "sweep_commands",
    "sweeping",
    "process",
    "schedule",
    "timetable",
    "demo",
}
START = {"engines", "engine_home", "roles", "supervisor", "prepare", "processes", "environment"}
MAY_SEE = {
    "errors": set(),
    "ids": set(),
    "secrets": set(),
    "config": set(),
    "clock": set(),
    "outgoing": set(),
    "models": set(),
    "policy": {"errors", "domains"},
    "domains": {"errors", "policy"},
    "extensions": {"models"},
    "tenancy": {"models"},
    "channels": {"errors", "outgoing", "policy"},
    "queue": set(),
    **dict.fromkeys(VERBS, BASE | VERBS),
    # the auditor is no part of what it looks at: it tells open pages to look again, and no more
    "audit": FLOOR | {"live", "policy"},
    **dict.fromkeys(EDGES, BASE | VERBS | EDGES | START),
    **dict.fromkeys(START, START | {"config"}),
    # the one child that prepares the database runs the application's own commands
    "prepare": START | {"create_app", "demo", "extensions", "cli"},
}
# what deciders and channels must not know of, beside our own rooms
FORBIDDEN = {
    "policy": {"sqlalchemy", "flask", "redis"},
    "domains": {"sqlalchemy", "flask", "redis"},
    "channels": {"sqlalchemy", "flask"},
}


def modules() -> list[Path]:
    return sorted(
        path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name != "__init__.py"
    )


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Dotted names that a module imports for its work (types alone do not count)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    assert room in MAY_SEE, f"{room} is a new room: say in MAY_SEE where it stands"
    seen = {
        name.split(".")[1] for name in imports_of(path) if name.startswith("notify_app.") and name.count(".")
    }
    assert seen - MAY_SEE[room] - {room} == set()


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_deciders_and_channels_know_no_database(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        assert {name.split(".")[0] for name in imports_of(path)} & FORBIDDEN[room] == set(), path


def test_only_edges_read_the_clock() -> None:
    """`now` is handed in (invariant 5): no verb or decider asks Python for the time of day."""
    for path in modules():
        if room_of(path) in VERBS | DECIDERS | {"channels", "models"}:
            text = path.read_text(encoding="utf-8")
            for asked in ("datetime.now(", "utcnow(", "time.time()", "date.today("):
                assert asked not in text, f"{path}: {asked}"
