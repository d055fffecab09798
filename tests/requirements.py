"""Which tests prove which line of the requirements: read from the tests' own marks, written to docs/requirements.md.

    python -m tests.requirements           writes docs/requirements.md
    python -m tests.requirements A6 C5     prints the tests that prove these

A test says what it proves by `@pytest.mark.proves("A6")`, on itself, its class, its file, or one of its parameters. What
a line asks for is said here in a few words; the words are ours, the ids are the requirements'.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["CHAPTERS", "DOCUMENT", "LATER", "MEASURED", "REQUIREMENTS", "Proof", "document", "proofs"]

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
DOCUMENT = ROOT / "docs" / "requirements.md"

CHAPTERS = {
    "A": "Repairs, and what holds for every message",
    "B": "Work orders and the live inbox",
    "C": "Estates",
    "D": "Permits to work",
    "E": "Bookings",
    "F": "The hub itself",
}
REQUIREMENTS: Mapping[str, str] = {
    "A1": "One service makes notifications for anybody, one by one; what cannot be written is an error that names it.",
    "A2": "An office's own templates, in the database, checked before they are used.",
    "A3": "Branding enters every message.",
    "A4": "Which event of a repair tells whom, how urgently, and where its link leads.",
    "A5": "Priority decides channels, unless the event names its own.",
    "A6": "Events follow from true changes of state, whoever makes them and by whichever door.",
    "A7": "Preferences by category, event and channel; urgent passes them, a blocked address stays blocked.",
    "A8": "Quiet hours put off and drop nothing, in the reader's own zone.",
    "A9": "Email by SES and SMS by SNS, well-formed, short and priced.",
    "A10": "Every attempt is on record.",
    "A11": "Retries by channel and kind of failure, with the same words each time.",
    "A12": "A digest, daily or otherwise, for those who chose one.",
    "A13": "Old delivery records go.",
    "A14": "Limits for providers and recipients; bursts become one message.",
    "A15": "People edit their preferences themselves, on a phone too.",
    "A16": "Never silence: another way is taken, or the office hears who was not reached.",
    "A17": "Contacts: with a sign-in, or with a private link.",
    "B1": "The kinds of message about work orders and supplies.",
    "B2": "One update of an order tells up to three things, each to those it concerns.",
    "B3": "The office writes to technicians by hand and sees who has read it.",
    "B4": "A live inbox on every tab and phone that misses and repeats nothing.",
    "B5": "Read, unread and acknowledged are each person's own and seen everywhere.",
    "B6": "What is wrong, full, away or broken is handled, and said to whoever can act.",
    "C1": "Four levels of priority; critical and urgent are one and pass everything.",
    "C2": "The events of an estate, their facts and channels.",
    "C3": "A registry that is checked at the start: what does not hold together stops it, named.",
    "C4": "Each channel shapes money, dates and times in its own way.",
    "C5": "Organisations are isolated, in every page, query, stream, job and field.",
    "C6": "Who may trigger events: members, keys, signed sources, time; some are for administrators only.",
    "C7": "A record of every attempt and every omission, without secrets; one message for each recipient.",
    "C8": "Estates of a thousand people: broadcasts, archives, an alert when a channel fails often.",
    "C9": "Export and erasure of one person's data.",
    "D1": "The fourteen kinds of message about permits.",
    "D2": "The steps of a permit, whose each is, and who hears of it.",
    "D3": "The same matter is told to a person once for each round and step.",
    "D4": "Late steps climb a ladder, once for each level.",
    "D5": "Permits expire at their minute; close-out and isolation are announced in time.",
    "D6": "Switches for notifications and for escalations.",
    "D7": "Every sweep can be run by hand.",
    "D8": "Every message about a permit names it and leads to it.",
    "E1": "What a guest hears before, at and after a booking.",
    "E2": "The states of what is planned to be told.",
    "E3": "Bookings plan, move and give up what is to be told, in the transaction that changes them.",
    "E4": "What is due is taken in batches; two schedulers never tell it twice.",
    "E5": "Adding a kind of message is one declaration.",
    "E6": "Telegram, and other channels in the same way.",
    "F1": "Signed webhooks, taken once, answered when they are durable.",
    "F2": "The office's screens: dashboard, preferences, rules, templates.",
    "F3": "Workers do the sending and the retries, the scheduler what time brings.",
    "F4": "Roles and grades, and what each may.",
    "F5": "Import from former systems, and a shadow mode that sends nothing.",
}
# what later releases bring, whole or in part; the list gets shorter and never longer
LATER = frozenset(("C9", "E6", "F5"))
MEASURED: Mapping[str, Mapping[str, str]] = {
    "Performance": {
        "P1": "Memory of idle streams.",
        "P2": "One message to all streams.",
        "P3": "One message to one of many streams.",
        "P4": "From a signed webhook to a durable answer.",
        "P5": "Routing an event to notifications and deliveries.",
        "P6": "Claiming, sending and settling deliveries.",
        "P7": "Real senders against slow providers.",
        "P8": "From a webhook to an open inbox.",
        "P9": "An announcement to a hundred thousand people.",
        "P10": "Each sweep with a thousand times the rows.",
        "P11": "The inbox with a million notifications.",
        "P12": "Memory of everything, and the start.",
        "P13": "Pages on a phone over a slow network.",
        "P14": "More workers and web processes.",
    },
    "Reliability": {
        "R1": "Kills of every process, a database that falls and a broker that is flushed: nothing lost or doubled.",
        "R2": "The same for longer.",
        "R3": "Each point of failure alone.",
        "R4": "Planted mistakes are caught.",
        "R5": "Escalations with several schedulers.",
        "R6": "A minute without the broker.",
        "R7": "Streams across restarts of the server.",
        "R8": "A frozen worker's late result changes nothing.",
        "R9": "Rolling restarts under load.",
        "R10": "Time to recover.",
        "R11": "A host that is cut off.",
        "R12": "Backup and restore.",
    },
    "Security": {
        "S1": "Every route by every kind of visitor, with foreign ids.",
        "S2": "Row-level security alone.",
        "S3": "Hostile webhooks.",
        "S4": "Answers fit the OpenAPI document, whatever is asked.",
        "S5": "The sandbox of templates.",
        "S6": "Stored scripts run nowhere.",
        "S7": "Outgoing requests stay out of the house.",
        "S8": "Injection into headers and links.",
        "S9": "Sign-in.",
        "S10": "Secrets stay secret.",
        "S11": "Erasure leaves nothing.",
    },
}


@dataclass(frozen=True, order=True)
class Proof:
    """A test that says it proves something."""

    path: str  # below the repository
    test: str
    line: int


@cache
def proofs() -> Mapping[str, tuple[Proof, ...]]:
    """id → the tests that prove it, file by file."""
    found: defaultdict[str, set[Proof]] = defaultdict(set)
    for path in sorted(TESTS.rglob("test_*.py")):
        for name, proof in _in_file(path):
            found[name].add(proof)
    return {name: tuple(sorted(all_of_them)) for name, all_of_them in sorted(found.items())}


def _in_file(path: Path) -> Iterator[tuple[str, Proof]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    where = path.relative_to(ROOT).as_posix()
    yield from _in_body(tree.body, _marks(tree.body), where, "")


def _in_body(body: list[ast.stmt], around: set[str], where: str, room: str) -> Iterator[tuple[str, Proof]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            names = around | _marks(node.body) | _named(*node.decorator_list)
            yield from _in_body(node.body, names, where, f"{room}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for name in around | _named(*node.decorator_list):
                yield name, Proof(where, f"{room}{node.name}", node.lineno)


def _marks(body: list[ast.stmt]) -> set[str]:
    """What a file's or a class's `pytestmark` says."""
    return {
        name
        for node in body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for name in _named(node.value)
    }


def _named(*nodes: ast.expr) -> set[str]:
    return {
        argument.value
        for node in nodes
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("mark.proves")
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


# --- the document --------------------------------------------------------------------------------------------------


def document() -> str:
    """docs/requirements.md. Files only: a test that gets another name changes nothing here."""
    lines = [
        "# Requirements, and what proves them",
        "",
        "Written by `python -m tests.requirements` from the marks of the tests: do not edit it by hand. The tests themselves:",
        "`python -m tests.requirements A6`.",
    ]
    for letter, title in CHAPTERS.items():
        lines += _table(title, {name: text for name, text in REQUIREMENTS.items() if name.startswith(letter)})
    lines += ["", "# Measured and attacked", ""]
    lines += [
        "Figures stand in [performance.md](performance.md), beside the limits that they are measured against."
    ]
    for title, known in MEASURED.items():
        lines += _table(title, known)
    return "\n".join(lines) + "\n"


def _table(title: str, known: Mapping[str, str]) -> list[str]:
    rows = [f"| {name} | {text} | {_proven(name)} |" for name, text in known.items()]
    return ["", f"## {title}", "", "| id | what | proven by |", "|---|---|---|", *rows]


def _proven(name: str) -> str:
    files = list(dict.fromkeys(proof.path for proof in proofs().get(name, ())))
    if name.startswith("P"):
        files += [
            path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(f"bench/{name.lower()}_*.py"))
        ]
    links = ", ".join(f"[{_short(path)}](../{path})" for path in files)
    if name in LATER:
        return f"{links}; *more in a later release*" if links else "*a later release*"
    return links or "*no test is marked with it yet*"


def _short(path: str) -> str:
    return path.removeprefix("tests/").removesuffix(".py").replace("test_", "")


def main(names: list[str]) -> int:
    """The command."""
    unknown = [name for name in names if name not in REQUIREMENTS and name not in known_elsewhere()]
    if unknown:
        print(f"There is no {', '.join(unknown)}.", file=sys.stderr)
        return 1
    for name in names:
        print(f"{name}: {REQUIREMENTS.get(name) or known_elsewhere()[name]}")
        for proof in proofs().get(name, ()):
            print(f"  {proof.path}:{proof.line}  {proof.test}")
    if not names:
        DOCUMENT.write_text(document(), encoding="utf-8")
    return 0


def known_elsewhere() -> Mapping[str, str]:
    """What is measured or attacked rather than told as a story: id → what."""
    return {name: text for known in MEASURED.values() for name, text in known.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
