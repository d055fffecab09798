"""What an office's own template may say, and the process in which it is rendered.

Run as a program it is the child: it imports the standard library and Jinja, limits its own memory, time and
files, and answers requests on its pipes until its parent goes away. Imported, it is the rules (`check_source`)
that hold at save and again in the child. Refuses calls, assignments, macros, includes, nested loops, any
attribute that is not a key of the data, and every filter and test that is not listed.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import IO, Any

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["FORMS", "LONGEST_OUTPUT", "LONGEST_SOURCE", "OWN_FILTERS", "Missing", "attribute", "check_source"]

LONGEST_SOURCE, LONGEST_OUTPUT = 16 * 1024, 64 * 1024  # characters
MOST_NODES = 4000
LARGEST_NUMBER = 10**12
MEMORY_BYTES, CPU_SECONDS = 256 * 1024 * 1024, 1

STATEMENTS = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For)
EXPRESSIONS = (
    (
        nodes.Name,
        nodes.Const,
        nodes.Getattr,
        nodes.Getitem,
        nodes.Slice,
        nodes.Filter,
        nodes.Test,
        nodes.Keyword,
    )
    + (nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat)
    + (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos)
    + (nodes.List, nodes.Tuple)
)
FILTERS = frozenset(
    (
        "upper",
        "lower",
        "title",
        "capitalize",
        "trim",
        "default",
        "d",
        "length",
        "count",
        "join",
        "first",
        "last",
    )
    + ("truncate", "escape", "e")
)
TESTS = frozenset(
    ("defined", "undefined", "none", "eq", "equalto", "==", "ne", "!=", "in", "odd", "even", "number")
)
LOOP = frozenset(
    ("index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem")
)
RESERVED = frozenset(("self", "super", "caller", "varargs", "kwargs"))
# the explicit forms of a date, a time or money; without one, the channel's own form is written
FORMS = ("long", "short", "date", "time", "datetime")
WORDS = {
    "Call": "calls are not allowed",
    "CallBlock": "calls are not allowed",
    "Macro": "macros are not allowed",
    "Assign": "{% set %} is not allowed",
    "AssignBlock": "{% set %} is not allowed",
    "Include": "includes are not allowed",
    "Import": "imports are not allowed",
    "FromImport": "imports are not allowed",
    "Extends": "{% extends %} is not allowed",
    "Block": "{% block %} is not allowed",
    "FilterBlock": "{% filter %} is not allowed",
    "With": "{% with %} is not allowed",
    "Pow": "** is not allowed",
    "Dict": "{...} is not allowed",
}


class Missing(StrictUndefined):
    """What the data does not have; its error names it."""

    @property
    def _undefined_message(self) -> str:
        return f"{self._undefined_name} is missing"


def _sentence(value: Any) -> str:
    """The first letter a capital, a full stop at the end."""
    text = str(value).strip()
    return text[:1].upper() + text[1:] + ("" if text[-1:] in ".!?" else ".") if text else ""


def _plural(count: Any, one: str, many: str) -> str:
    """The word for this many."""
    return one if count == 1 else many


def _listed(items: Sequence[Any], key: str = "", most: int = 5) -> str:
    """ "R-1, R-2 and 3 more": the items, or one key of each, named up to `most` of them."""
    names = [str(item[key] if key else item) for item in items]
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1] if names else "") if part)


def _form(name: str) -> Callable[[Any], str]:
    def form(value: Any) -> str:
        if isinstance(value, Undefined):
            return str(value)
        say = getattr(value, "form", None)
        return str(say(name)) if say else str(value)

    return form


OWN_FILTERS: dict[str, Callable[..., str]] = {
    "sentence": _sentence,
    "plural": _plural,
    "listed": _listed,
    **{name: _form(name) for name in FORMS},
}


def check_source(source: str, known: Collection[str] | None = None) -> list[str]:
    """What is wrong with a template, as sentences; empty when it may be saved.

    `known` are the names that the event's data has: others are reported, since they would always be missing.
    """
    if len(source) > LONGEST_SOURCE:
        return [f"It is longer than {LONGEST_SOURCE} characters."]
    try:
        tree = _parser().parse(source)
        problems = list(_problems(tree, loops=0))
        count = sum(1 for _ in tree.find_all(nodes.Node))
    except TemplateError as error:
        return [f"Line {getattr(error, 'lineno', 1)}: {error.message or 'it cannot be read'}"]
    except (RecursionError, ValueError, OverflowError):
        return ["It cannot be read: it is nested too deeply, or a number in it is too long."]
    if count > MOST_NODES:
        problems.append("It has too many parts.")
    if known is not None:
        problems += _unknown(tree, known)
    return list(dict.fromkeys(problems))


@lru_cache(maxsize=1)
def _parser() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment()


def _problems(node: nodes.Node, loops: int) -> Iterator[str]:
    for child in node.iter_child_nodes():
        where = f"Line {child.lineno}: "
        if not isinstance(child, STATEMENTS + EXPRESSIONS):
            name = type(child).__name__
            yield where + WORDS.get(name, f"{name} is not allowed")
            continue
        inside = loops + isinstance(child, nodes.For)
        if inside > 1:
            yield f"{where}a loop inside a loop is not allowed"
        yield from (where + problem for problem in _wrong(child))
        yield from _problems(child, inside)


def _wrong(node: nodes.Node) -> Iterator[str]:
    match node:
        case nodes.For() if node.recursive:
            yield "a recursive loop is not allowed"
        case nodes.Name() if node.name in RESERVED or node.name.startswith("_"):
            yield f"{node.name} is not allowed"
        case nodes.Getattr() if node.attr.startswith("_"):
            yield f"{node.attr} is not allowed"
        case nodes.Getitem(arg=nodes.Const(value=str(key))) if key.startswith("_"):
            yield f"{key} is not allowed"
        case nodes.Filter() if node.name not in FILTERS and node.name not in OWN_FILTERS:
            yield f"there is no filter {node.name}"
        case nodes.Filter() | nodes.Test() if node.dyn_args is not None or node.dyn_kwargs is not None:
            yield "* and ** are not allowed"
        case nodes.Test() if node.name not in TESTS:
            yield f"there is no test {node.name}"
        case nodes.Const(value=int() | float() as number) if abs(number) > LARGEST_NUMBER:
            yield "a number is too large"
        case nodes.Operand() if node.op not in ("eq", "ne", "lt", "lteq", "gt", "gteq", "in", "notin"):
            yield f"{node.op} is not allowed"


def _unknown(tree: nodes.Template, known: Collection[str]) -> list[str]:
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"} | {"loop"}
    names = [name for name in tree.find_all(nodes.Name) if name.ctx == "load"]
    return [
        f"Line {name.lineno}: {name.name} is not known here"
        for name in names
        if name.name not in own | set(known)
    ]


def attribute(environment: Any, obj: Any, key: Any) -> Any:
    """The only way into a value: a key of a mapping, a position of a sequence, a count of the loop."""
    if isinstance(obj, dict):
        return obj[key] if isinstance(key, str) and key in obj else environment.undefined(obj=obj, name=key)
    if isinstance(obj, LoopContext) and key in LOOP:
        return getattr(obj, key)
    if isinstance(obj, Undefined):
        return str(obj)  # raises, naming what is missing
    if isinstance(obj, list | str) and isinstance(key, int):
        return obj[key] if -len(obj) <= key < len(obj) else environment.undefined(obj=obj, name=str(key))
    return environment.undefined(obj=obj, name=str(key))


class Environment(ImmutableSandboxedEnvironment):
    """Jinja without its globals, with the listed filters and tests, and numbers that stay small."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self, *, html: bool) -> None:
        super().__init__(autoescape=html, undefined=Missing, finalize=_printable, cache_size=0)
        self.globals.clear()
        self.filters = {name: self.filters[name] for name in FILTERS} | OWN_FILTERS
        self.tests = {name: self.tests[name] for name in TESTS}

    def getattr(self, obj: Any, attribute_name: str) -> Any:
        return attribute(self, obj, attribute_name)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return attribute(self, obj, argument)

    def call(self, *_: Any, **__: Any) -> Any:
        raise SecurityError("calls are not allowed")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return left + right
        for side in (left, right):
            if isinstance(side, Undefined):
                return str(side)
            if not isinstance(side, int | float) or abs(side) > LARGEST_NUMBER:
                raise SecurityError(f"{operator} works on numbers only")
        if operator == "**":
            raise SecurityError("** is not allowed")
        return super().call_binop(context, operator, left, right)


def _printable(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str | int | float | Undefined):
        return value
    raise SecurityError(f"a {type(value).__name__} cannot be written out: name one of its parts")


class Said(str):
    """A date, a time or money as its parent said it, with its other forms."""

    __slots__ = ("_forms",)
    _forms: dict[str, str]

    def form(self, name: str) -> str:
        return self._forms.get(name, str(self))


def _revived(value: Any) -> Any:
    """The context as it was sent: {"$": {"": ..., "date": ...}} is a value with forms."""
    if isinstance(value, list):
        return [_revived(one) for one in value]
    if not isinstance(value, dict):
        return value
    forms = value.get("$")
    if isinstance(forms, dict) and len(value) == 1:
        said = Said(forms.get("", ""))
        said._forms = forms
        return said
    return {key: _revived(one) for key, one in value.items()}


@lru_cache(maxsize=2)
def _environment(html: bool) -> Environment:
    return Environment(html=html)


@lru_cache(maxsize=256)
def _compiled(source: str, html: bool) -> Template:
    problems = check_source(source)
    if problems:
        raise SecurityError(problems[0])
    return _environment(html).from_string(source)


def _rendered(source: str, html: bool, context: dict[str, Any]) -> str:
    parts, size = [], 0
    for part in _compiled(source, html).generate(context):
        size += len(part)
        if size > LONGEST_OUTPUT:
            raise SecurityError(f"it writes more than {LONGEST_OUTPUT} characters")
        parts.append(part)
    return "".join(parts)


def _answer(request: dict[str, Any]) -> dict[str, str]:
    try:
        return {"text": _rendered(request["source"], request["html"], _revived(request["context"]))}
    except UndefinedError as error:
        return {"error": error.message or "something is missing"}
    except TemplateError as error:
        return {"error": error.message or type(error).__name__}
    except MemoryError:
        os._exit(1)  # the heap is not to be trusted any more: the parent starts another child
    except RecursionError:
        return {"error": "it is nested too deeply"}
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}


def _limit() -> None:
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, 16)]
    for what, most in [*limits, (resource.RLIMIT_AS, MEMORY_BYTES)]:
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):
            continue  # macOS has no RLIMIT_AS; the parent's clock still ends a render there


def _limit_time() -> None:
    """A second or so of processor time for the next render; the signal that ends it is not caught."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_SECONDS, hard))


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    while len(head := requests.read(4)) == 4:
        body = requests.read(struct.unpack(">I", head)[0])
        _limit_time()
        answer = json.dumps(_answer(json.loads(body))).encode()
        answers.write(struct.pack(">I", len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    _limit()
    _serve(sys.stdin.buffer, sys.stdout.buffer)  # ends when the parent closes the pipe, or dies
