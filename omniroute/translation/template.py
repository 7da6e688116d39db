"""A table's templates to Python: one function for each, plain code, nothing interpreted.

A mapping makes an object, a list concatenates what its items make, text is JMESPath on the current
node, any other scalar is itself. Keys that begin with `$` steer. What is absent is None in the
generated code, and its key is left out; `null` written in a table is a null in the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from omniroute.base.similar import similar_names
from omniroute.errors import ExpressionError
from omniroute.expr.compile import Emitter, Node, parse_expression
from omniroute.expr.fields import read_paths
from omniroute.expr.source import Source
from omniroute.translation.functions import FUNCTIONS
from omniroute.translation.problem import Path, Problem
from omniroute.translation.program import Program

_COMPANIONS: Final[Mapping[str, frozenset[str]]] = {
    "$each": frozenset({"$as", "$flat", "$merge"}),
    "$switch": frozenset({"$else"}),
    "$when": frozenset({"$then", "$else"}),
    "$use": frozenset({"$with"}),
    "$at": frozenset({"$then"}),
    "$let": frozenset({"$in"}),
    "$lit": frozenset(),
    "$nullable": frozenset(),
    "$pipe": frozenset(),
    "$drop": frozenset(),
    "$reject": frozenset(),
    "$text": frozenset(),
}
"""Each directive and the keys that may stand beside it."""
CONTEXT: Final = frozenset(
    {
        *("provider", "model", "capabilities", "context_window", "max_output_tokens"),
        *("quirks", "stream", "request", "hub", "response", "sequence", "now_s", "seed"),
    }
)
"""Names that `var()` always knows; `$let` adds to them."""


class TemplateCompiler:
    """Writes the functions of one table into one Python module."""

    def __init__(self, *, maps: Mapping[str, Any], mappings: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self.used_vars: dict[str, set[str]] = {}
        """Function name to the context names it reads, itself or through what it uses."""
        self._source = Source()
        self._maps = maps
        self._mappings = mappings
        self._names: set[str] = set(CONTEXT)
        self._reads: dict[str, set[str]] = {}
        self._calls: dict[str, set[str]] = {}
        self._root_calls: dict[str, set[str]] = {}
        self._current = ""
        self._root = ""
        self._path: Path = ()
        self._present: set[str] = set()
        special = {
            "var": self._var,
            "has": self._has,
            "lacks": self._lacks,
            "new_id": self._new_id,
            "lookup": self._lookup,
            "lookup_back": self._lookup_back,
            "band": self._band,
        }
        self._emitter = Emitter(self._source, FUNCTIONS, special)

    def add_mappings(self, path: Path) -> None:
        """Write a function for each named mapping; `$use` calls them."""
        for name, template in self._mappings.items():
            self.add(f"use {name}", template, (*path, name))

    def add(self, name: str, template: Any, path: Path) -> None:
        """Write a function `name` for a template that stands at `path`."""
        self._current, self._root = name, "node"
        self._reads[name] = set()
        self._calls[name] = set()
        self._root_calls[name] = set()
        self.used_vars[name] = set()
        try:
            with self._source.function(_identifier(name), "node, ctx"):
                self._source.line(f"return {self._emit(template, 'node', path)}")
        except ExpressionError as error:
            self._problem(path, f"{error.message}; move a part of it to mappings")

    def program(self, filename: str) -> Program:
        """The functions as one module; call it only when there are no problems."""
        return Program(
            code=self._source.code(filename),
            constants=self._source.constants,
            functions={name: _identifier(name) for name in self._reads},
            reads=_frozen(self._reads),
            root_calls=_frozen(self._root_calls),
            calls=_frozen(self._calls),
            used_vars=_frozen(self.used_vars),
        )

    def collect_names(self, template: Any) -> None:
        """Make the names known that `$let` gives anywhere in a template, or in a whole table."""
        if isinstance(template, dict):
            members = cast(dict[str, Any], template)
            lets = members.get("$let")
            if isinstance(lets, dict):
                self._names.update(cast(dict[str, Any], lets))
            for value in members.values():
                self.collect_names(value)
        elif isinstance(template, list):
            for value in cast(list[Any], template):
                self.collect_names(value)

    def _problem(self, path: Path, message: str, *, hint: str | None = None) -> str:
        self.problems.append(Problem(path=path, message=message, hint=hint))
        return "None"

    # Templates. Each gives the name of its result; `_present` holds names that are never None.

    def _emit(self, template: Any, at: str, path: Path) -> str:
        if isinstance(template, str):
            return self._expression(template, at, path)
        if isinstance(template, list):
            return self._concatenation(cast(list[Any], template), at, path)
        if not isinstance(template, dict):
            return self._literal(template)
        members = cast(dict[str, Any], template)
        steering = [key for key in members if key.startswith("$") and key != "$spread"]
        if not steering:
            return self._object(members, at, path)
        chief = next((key for key in steering if key in _COMPANIONS), None)
        if chief is None:
            return self._unknown_directive(steering[0], path)
        for key in members:
            if key != chief and key not in _COMPANIONS[chief] and chief != "$switch":
                place = "a directive" if key.startswith("$") else "a member"
                return self._problem((*path, key), f"{key} is {place} that {chief} does not take")
        return getattr(self, "_do_" + chief[1:])(members, at, path)

    def _unknown_directive(self, key: str, path: Path) -> str:
        known = [*_COMPANIONS, *(name for names in _COMPANIONS.values() for name in names)]
        close = similar_names(key, known)
        hint = f"did you mean {close[0]}?" if close else None
        return self._problem((*path, key), f"{key} is no directive here", hint=hint)

    def _literal(self, value: Any) -> str:
        name = self._source.constant(value)
        if value is not None:
            self._present.add(name)
        return name

    def _expression(self, text: str, at: str, path: Path) -> str:
        tree = self._parse(text, path)
        return "None" if tree is None else self._guarded(tree, at, path)

    def _condition(self, text: Any, at: str, path: Path) -> str:
        if not isinstance(text, str):
            return self._problem(path, "a condition is an expression")
        tree = self._parse(text, path)
        return "None" if tree is None else self._emitter.truth(self._guarded(tree, at, path))

    def _parse(self, text: str, path: Path) -> Node | None:
        try:
            tree = parse_expression(text)
            if _negates_too_little(tree):
                raise ExpressionError("`!a.b` means `(!a).b`; write `!(a.b)`", position=0)
            return tree
        except ExpressionError as error:
            problem = Problem(path=path, message=error.message, offset=error.position)
            self.problems.append(problem)
            return None

    def _guarded(self, tree: Node, at: str, path: Path) -> str:
        self._path = path
        if at == self._root:
            paths = read_paths(tree)
            self._reads[self._current].update(steps[0] for steps in paths)
            if _takes_whole(tree):
                self._reads[self._current].add("@")
        try:
            name = self._emitter.emit(tree, at)
        except ExpressionError as error:
            self.problems.append(Problem(path=path, message=error.message, offset=0))
            return "None"
        if tree["type"] == "literal" and tree["value"] is not None:
            self._present.add(name)
        return name

    def _object(self, members: dict[str, Any], at: str, path: Path) -> str:
        source = self._source
        values: list[tuple[str, str, bool]] = []
        for key, template in members.items():
            explicit = template is None or (isinstance(template, dict) and "$nullable" in template)
            value = "None" if template is None else self._emit(template, at, (*path, key))
            values.append((key, value, explicit or value in self._present))
        result = source.temp("d")
        # Members that are always there open the object, as long as their order allows it.
        opening = 0
        while opening < len(values) and values[opening][2] and values[opening][0] != "$spread":
            opening += 1
        display = ", ".join(f"{key!r}: {value}" for key, value, _ in values[:opening])
        source.line(f"{result} = {{{display}}}")
        for key, value, certain in values[opening:]:
            if key == "$spread":
                source.line(f"rt_spread({result}, {value})")
            elif certain:
                source.line(f"{result}[{key!r}] = {value}")
            else:
                source.line(f"if {value} is not None: {result}[{key!r}] = {value}")
        if any(certain for _, _, certain in values):
            self._present.add(result)
            return result
        return source.assign(f"{result} or None")

    def _concatenation(self, templates: list[Any], at: str, path: Path) -> str:
        source = self._source
        result = source.assign("[]")
        certain = False
        for number, template in enumerate(templates):
            value = self._emit(template, at, (*path, number))
            if value in self._present:
                certain = True
            if value == "None":
                continue
            line = f"rt_add({result}, {value})"
            if _makes_object(template):
                line = f"{result}.append({value})"
            source.line(line if value in self._present else f"if {value} is not None: {line}")
        if certain:
            self._present.add(result)
            return result
        return source.assign(f"{result} or None")

    def _do_each(self, members: dict[str, Any], at: str, path: Path) -> str:
        source = self._source
        text = members["$each"]
        if not isinstance(text, str):
            return self._problem((*path, "$each"), "$each takes an expression that gives an array")
        if source.crowded:
            return self._problem(path, "$each inside $each too often; move a part to mappings")
        items = self._expression(text, at, (*path, "$each"))
        result = source.assign("None")
        with source.block(f"if type({items}) is list:"):
            source.line(f"{result} = []")
            element = source.temp("e")
            with source.block(f"for {element} in {items}:", loop=True):
                value = self._emit(members.get("$as", "@"), element, (*path, "$as"))
                if members.get("$flat"):
                    source.line(f"rt_add({result}, {value})")
                elif value in self._present:
                    source.line(f"{result}.append({value})")
                else:
                    source.line(f"if {value} is not None: {result}.append({value})")
            if "$merge" in members:
                field = members["$merge"]
                source.line(f"{result} = rt_merge_neighbours({result}, {field!r})")
        with source.block(f"elif {items} is not None:"):
            source.line(f"raise rt_not_a_list({self._field_of(text, path)!r}, {items})")
        return result

    def _do_switch(self, members: dict[str, Any], at: str, path: Path) -> str:
        source = self._source
        text = members["$switch"]
        if not isinstance(text, str):
            return self._problem((*path, "$switch"), "$switch takes an expression")
        subject = self._expression(text, at, (*path, "$switch"))
        result = source.assign("None")
        word = "if"
        for key, template in members.items():
            if key.startswith("$") and not key.startswith("$null"):
                if key not in ("$switch", "$else"):
                    self._unknown_directive(key, path)
                continue
            with source.block(f"{word} {_case(subject, key)}:"):
                source.line(f"{result} = {self._emit(template, at, (*path, key))}")
            word = "elif"
        if word == "if":
            return self._problem(path, "$switch without a case")
        with source.block("else:"):
            if "$else" in members:
                source.line(f"{result} = {self._emit(members['$else'], at, (*path, '$else'))}")
            else:
                source.line(f"raise rt_no_case({self._field_of(text, path)!r}, {subject})")
        return result

    def _do_when(self, members: dict[str, Any], at: str, path: Path) -> str:
        source = self._source
        if "$then" not in members:
            return self._problem(path, "$when without $then")
        condition = self._condition(members["$when"], at, (*path, "$when"))
        result = source.assign("None")
        with source.block(f"if {condition}:"):
            source.line(f"{result} = {self._emit(members['$then'], at, (*path, '$then'))}")
        if "$else" in members:
            with source.block("else:"):
                source.line(f"{result} = {self._emit(members['$else'], at, (*path, '$else'))}")
        return result

    def _do_use(self, members: dict[str, Any], at: str, path: Path) -> str:
        name = members["$use"]
        if not isinstance(name, str) or name not in self._mappings:
            close = similar_names(str(name), self._mappings)
            hint = f"did you mean {close[0]}?" if close else "declare it under mappings"
            return self._problem((*path, "$use"), f"there is no mapping {name}", hint=hint)
        if "$with" in members:
            at = self._emit(members["$with"], at, (*path, "$with"))
        self._calls[self._current].add(f"use {name}")
        if at == self._root:
            self._root_calls[self._current].add(f"use {name}")
        return self._source.assign(f"{_identifier(f'use {name}')}({at}, ctx)")

    def _do_at(self, members: dict[str, Any], at: str, path: Path) -> str:
        source = self._source
        if "$then" not in members:
            return self._problem(path, "$at without $then")
        node = self._emit(members["$at"], at, (*path, "$at"))
        result = source.assign("None")
        with source.block(f"if {node} is not None:"):
            source.line(f"{result} = {self._emit(members['$then'], node, (*path, '$then'))}")
        return result

    def _do_let(self, members: dict[str, Any], at: str, path: Path) -> str:
        lets = members["$let"]
        if not isinstance(lets, dict) or "$in" not in members:
            return self._problem(path, "$let takes names and values, and $in what sees them")
        for name, template in cast(dict[str, Any], lets).items():
            value = self._emit(template, at, (*path, "$let", name))
            self._source.line(f"ctx[{name!r}] = {value}")
        return self._emit(members["$in"], at, (*path, "$in"))

    def _field_of(self, text: str, path: Path) -> str:
        """What to call the culprit in a refusal: the field that an expression reads."""
        tree = self._parse(text, path)
        for steps in read_paths(tree) if tree is not None else ():
            return ".".join(steps)
        named = [step for step in path if isinstance(step, str) and not step.startswith("$")]
        return named[-1] if named else text

    def _do_lit(self, members: dict[str, Any], at: str, path: Path) -> str:
        return self._literal(members["$lit"])

    def _do_nullable(self, members: dict[str, Any], at: str, path: Path) -> str:
        return self._emit(members["$nullable"], at, (*path, "$nullable"))

    def _do_text(self, members: dict[str, Any], at: str, path: Path) -> str:
        return self._literal(members["$text"])

    def _do_pipe(self, members: dict[str, Any], at: str, path: Path) -> str:
        steps = members["$pipe"]
        if not isinstance(steps, list) or not steps:
            return self._problem((*path, "$pipe"), "$pipe takes a list of templates")
        for number, step in enumerate(cast(list[Any], steps)):
            at = self._emit(step, at, (*path, "$pipe", number))
        return at

    def _do_drop(self, members: dict[str, Any], at: str, path: Path) -> str:
        self._source.line(f"rt_drop(ctx, {str(members['$drop'])!r})")
        return "None"

    def _do_reject(self, members: dict[str, Any], at: str, path: Path) -> str:
        field = self._field_of("@", path)
        self._source.line(f"raise rt_refuse({field!r}, {str(members['$reject'])!r})")
        return "None"

    # What looks like a function in an expression, and needs the context or the table.

    def _text_argument(self, arguments: list[Node], name: str) -> str:
        first = arguments[0] if arguments else None
        if first is None or first["type"] != "literal" or type(first["value"]) is not str:
            raise ExpressionError(f"{name}() takes a name in quotes: {name}('x')")
        return first["value"]

    def _var(self, emitter: Emitter, arguments: list[Node], at: str) -> str:
        name = self._text_argument(arguments, "var")
        if name not in self._names:
            close = similar_names(name, self._names)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ExpressionError(f"var() knows no {name!r}{hint}")
        self.used_vars[self._current].add(name)
        if name == "hub":
            return self._source.assign("rt_hub_of(ctx)")
        return self._source.assign(f"ctx.get({name!r})")

    def _has(self, emitter: Emitter, arguments: list[Node], at: str) -> str:
        self.used_vars[self._current].add("capabilities")
        return self._source.assign(f"rt_has(ctx, {self._text_argument(arguments, 'has')!r})")

    def _lacks(self, emitter: Emitter, arguments: list[Node], at: str) -> str:
        self.used_vars[self._current].add("capabilities")
        return self._source.assign(f"rt_lacks(ctx, {self._text_argument(arguments, 'lacks')!r})")

    def _new_id(self, emitter: Emitter, arguments: list[Node], at: str) -> str:
        prefix = self._text_argument(arguments, "new_id")
        return self._source.assign(f"rt_new_id(ctx, {prefix!r})")

    def _map_argument(self, arguments: list[Node], name: str) -> Mapping[str, Any]:
        table = self._text_argument(arguments, name)
        if table not in self._maps or len(arguments) != 2:
            raise ExpressionError(f"{name}() takes the name of a table under maps, and a value")
        return self._maps[table]

    def _lookup(self, emitter: Emitter, arguments: list[Node], at: str) -> str:
        table = self._source.constant(self._map_argument(arguments, "lookup"))
        key = emitter.emit(arguments[1], at)
        return self._source.assign(f"rt_lookup({table}, {key})")

    def _band(self, emitter: Emitter, arguments: list[Node], at: str) -> str:
        table = self._source.constant(self._map_argument(arguments, "band"))
        value = emitter.emit(arguments[1], at)
        return self._source.assign(f"rt_band({table}, {value})")

    def _lookup_back(self, emitter: Emitter, arguments: list[Node], at: str) -> str:
        backward: dict[str, str] = {}
        for key, value in self._map_argument(arguments, "lookup_back").items():
            backward.setdefault(value, key)
        key = emitter.emit(arguments[1], at)
        return self._source.assign(f"rt_lookup({self._source.constant(backward)}, {key})")


def _frozen(facts: Mapping[str, set[str]]) -> Mapping[str, frozenset[str]]:
    return {name: frozenset(values) for name, values in facts.items()}


def _identifier(name: str) -> str:
    return "t_" + "".join(char if char.isalnum() else f"_{ord(char)}_" for char in name)


def _case(subject: str, key: str) -> str:
    """A Python condition for one case label: `a | b` is either, `$null` is null."""
    tests: list[str] = []
    for label in key.split(" | "):
        if label == "$null":
            tests.append(f"{subject} is None")
        elif label in ("true", "false"):
            tests.append(f"{subject} is {label.title()}")
        else:
            tests.append(f"{subject} == {label!r}")
    return " or ".join(tests)


def _makes_object(template: Any) -> bool:
    """What a template makes, if anything, is an object and no list."""
    if template is None:
        return True
    if not isinstance(template, dict):
        return False
    members = cast(dict[str, Any], template)
    if "$when" in members or "$at" in members:
        return all(_makes_object(members.get(key)) for key in ("$then", "$else"))
    return not any(key.startswith("$") and key != "$spread" for key in members)


def _negates_too_little(tree: Node) -> bool:
    """In JMESPath `!` binds tighter than the dot, which nobody means."""
    children: list[Node] = [child for child in tree["children"] if isinstance(child, dict)]
    if tree["type"] == "subexpression" and children[0]["type"] == "not_expression":
        return True
    return any(_negates_too_little(child) for child in children)


def _takes_whole(tree: Node) -> bool:
    """The expression hands its whole input on, so which members it reads cannot be known."""
    if tree["type"] in ("current", "identity"):
        return True
    if tree["type"] == "function_expression":
        return any(_takes_whole(child) for child in tree["children"])
    return False
