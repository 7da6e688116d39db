"""JMESPath to Python: the package's parser gives the tree, this writes plain code for it.

The generated code makes direct dict and list accesses and nothing else, which is why a stream row
costs a tenth of what the interpreter takes. Data is plain JSON: exact `dict`, `list`, `str`, `int`,
`float`, `bool`, `None`; a subclass of these counts as null.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import jmespath.exceptions
import jmespath.parser

from omniroute.errors import ExpressionError
from omniroute.expr.functions import BUILTINS, Function, equals, flatten, less, less_equal
from omniroute.expr.source import Source

Node = dict[str, Any]
Special = Callable[["Emitter", list[Node], str], str]
_ORDER: Final = {
    "lt": ("_less", False),
    "lte": ("_less_equal", False),
    "gt": ("_less", True),
    "gte": ("_less_equal", True),
}

OPERATORS: Final[Mapping[str, Function]] = {
    "_equals": equals,
    "_less": less,
    "_less_equal": less_equal,
    "_flatten": flatten,
}
"""What any generated code may call."""


def bound_name(function: str) -> str:
    """How generated code names a function of expressions."""
    return f"fn_{function}"


def parse_expression(text: str) -> Node:
    """The tree of a JMESPath expression; raises ExpressionError with the position of the fault."""
    try:
        with warnings.catch_warnings():
            # The parser warns of `foo` for "foo", which is still valid JMESPath.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            tree: Any = jmespath.parser.Parser().parse(text).parsed
            return tree
    except jmespath.exceptions.EmptyExpressionError:
        raise ExpressionError("the expression is empty", position=0) from None
    except jmespath.exceptions.LexerError as error:
        raise ExpressionError(error.message, position=error.lexer_position) from None
    except jmespath.exceptions.ParseError as error:
        value = error.token_value
        said = f"unexpected {value!r}" if value else "the expression ends too early"
        raise ExpressionError(said, position=error.lex_position) from None
    except (jmespath.exceptions.JMESPathError, ValueError) as error:
        raise ExpressionError(str(error)) from None
    except RecursionError:
        raise ExpressionError("the expression is nested too deeply") from None


@lru_cache(maxsize=512)
def compile_expression(text: str) -> Callable[[Any], Any]:
    """A function from a JSON value to the expression's result.

    Raises ExpressionError for a wrong expression, unknown functions and wrong argument counts
    included; the function raises ExpressionError where a function meets a value of the wrong type.
    """
    source = Source()
    emitter = Emitter(source, BUILTINS)
    with source.function("evaluate", "node"):
        source.line(f"return {emitter.emit(parse_expression(text), 'node')}")
    return source.build(f"<jmespath {text}>")["evaluate"]


class Emitter:
    """Writes code for expression trees into a `Source`.

    `special` are names that look like functions in an expression but write their own code.
    """

    def __init__(
        self,
        source: Source,
        functions: Mapping[str, Function],
        special: Mapping[str, Special] | None = None,
    ) -> None:
        self.source = source
        self.functions = functions
        self.special = special or {}
        for name, value in OPERATORS.items():
            source.bind(name, value)

    def emit(self, node: Node, at: str) -> str:
        """Code that evaluates `node` on the value named `at`; the name or literal of its result."""
        return getattr(self, "_" + node["type"])(node, at)

    def truth(self, name: str) -> str:
        """A Python condition: null, false and everything empty are false, zero is true."""
        if name in self.source.booleans:
            return name
        return f"({name} or ({name} == 0 and {name} is not False))"

    def emit_condition(self, node: Node, at: str) -> str:
        return self.truth(self.emit(node, at))

    def _boolean(self, value: str) -> str:
        name = self.source.assign(value)
        self.source.booleans.add(name)
        return name

    def _current(self, node: Node, at: str) -> str:
        return at

    _identity = _current

    def _field(self, node: Node, at: str) -> str:
        return self._step(at, f"{at}.get({node['value']!r}) if type({at}) is dict else None")

    def _index(self, node: Node, at: str) -> str:
        index: int = node["value"]
        enough = f"len({at}) > {index}" if index >= 0 else f"len({at}) >= {-index}"
        return self._step(at, f"{at}[{index}] if type({at}) is list and {enough} else None")

    def _step(self, at: str, code: str) -> str:
        name = self.source.known(at, code)
        if name is None:
            name = self.source.assign(code)
            self.source.remember(at, code, name)
        return name

    def _chain(self, node: Node, at: str) -> str:
        for child in node["children"]:
            at = self.emit(child, at)
        return at

    _subexpression = _index_expression = _pipe = _chain

    def _slice(self, node: Node, at: str) -> str:
        start, stop, step = node["children"]
        if step == 0:
            raise ExpressionError("a slice's step cannot be 0")
        return self.source.assign(f"{at}[{start}:{stop}:{step}] if type({at}) is list else None")

    def _literal(self, node: Node, at: str) -> str:
        return self.source.constant(node["value"])

    def _comparator(self, node: Node, at: str) -> str:
        left, right = (
            repr(child["value"]) if _is_plain(child) else self.emit(child, at)
            for child in node["children"]
        )
        operator: str = node["value"]
        if operator in _ORDER:
            function, swapped = _ORDER[operator]
            arguments = f"{right}, {left}" if swapped else f"{left}, {right}"
            return self.source.assign(f"{function}({arguments})")
        # Python's own comparison is right as soon as one side is text.
        plain = any(_is_plain(child) for child in node["children"])
        same = f"{left} == {right}" if plain else f"_equals({left}, {right})"
        return self._boolean(same if operator == "eq" else f"not ({same})")

    def _or_expression(self, node: Node, at: str) -> str:
        return self._either(node, at, "if not ")

    def _and_expression(self, node: Node, at: str) -> str:
        return self._either(node, at, "if ")

    def _either(self, node: Node, at: str, header: str) -> str:
        left, right = node["children"]
        first = self.emit(left, at)
        result = self.source.assign(first)
        with self.source.block(f"{header}{self.truth(first)}:"):
            second = self.emit(right, at)
            self.source.line(f"{result} = {second}")
        if first in self.source.booleans and second in self.source.booleans:
            self.source.booleans.add(result)
        return result

    def _not_expression(self, node: Node, at: str) -> str:
        return self._boolean(f"not {self.emit_condition(node['children'][0], at)}")

    def _multi_select_dict(self, node: Node, at: str) -> str:
        result = self.source.assign("None")
        with self.source.block(f"if {at} is not None:"):
            members = [
                f"{child['value']!r}: {self.emit(child['children'][0], at)}"
                for child in node["children"]
            ]
            self.source.line(f"{result} = {{{', '.join(members)}}}")
        return result

    def _multi_select_list(self, node: Node, at: str) -> str:
        result = self.source.assign("None")
        with self.source.block(f"if {at} is not None:"):
            members = [self.emit(child, at) for child in node["children"]]
            self.source.line(f"{result} = [{', '.join(members)}]")
        return result

    def _projection(self, node: Node, at: str) -> str:
        left, right = node["children"]
        base = self.emit(left, at)
        return self._project(f"type({base}) is list", base, right)

    def _value_projection(self, node: Node, at: str) -> str:
        left, right = node["children"]
        base = self.emit(left, at)
        return self._project(f"type({base}) is dict", f"{base}.values()", right)

    def _filter_projection(self, node: Node, at: str) -> str:
        left, right, condition = node["children"]
        base = self.emit(left, at)
        return self._project(f"type({base}) is list", base, right, condition)

    def _project(self, guard: str, items: str, right: Node, condition: Node | None = None) -> str:
        source = self.source
        result = source.assign("None")
        with source.block(f"if {guard}:"):
            if source.crowded:
                # A function of its own starts Python's count of nested loops anew.
                name = source.temp("f")
                with source.function(name, "items"):
                    inner = self._loop("items", right, condition)
                    source.line(f"return {inner}")
                source.line(f"{result} = {name}({items})")
            else:
                source.line(f"{result} = {self._loop(items, right, condition)}")
        return result

    def _loop(self, items: str, right: Node, condition: Node | None) -> str:
        source = self.source
        result = source.assign("[]")
        element = source.temp("e")
        with source.block(f"for {element} in {items}:", loop=True):
            if condition is not None:
                source.line(f"if not {self.emit_condition(condition, element)}: continue")
            value = self.emit(right, element)
            source.line(f"if {value} is not None: {result}.append({value})")
        return result

    def _flatten(self, node: Node, at: str) -> str:
        base = self.emit(node["children"][0], at)
        return self.source.assign(f"_flatten({base}) if type({base}) is list else None")

    def _expref(self, node: Node, at: str) -> str:
        name = self.source.temp("f")
        element = self.source.temp("e")
        with self.source.function(name, element):
            self.source.line(f"return {self.emit(node['children'][0], element)}")
        return name

    def _function_expression(self, node: Node, at: str) -> str:
        name: str = node["value"]
        arguments: list[Node] = node["children"]
        if name in self.special:
            return self.special[name](self, arguments, at)
        function = self.functions.get(name)
        if function is None:
            raise ExpressionError(f"there is no function {name}()")
        check_arity(name, function, len(arguments))
        values = [self.emit(argument, at) for argument in arguments]
        bound = self.source.bind(bound_name(name), function)
        return self.source.assign(f"{bound}({', '.join(values)})")


def _is_plain(node: Node) -> bool:
    return node["type"] == "literal" and type(node["value"]) is str


def check_arity(name: str, function: Function, count: int) -> None:
    """Raise ExpressionError when `function` cannot take `count` arguments."""
    parameters = inspect.signature(function).parameters.values()
    fixed = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    least = sum(p.default is p.empty for p in fixed)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if count < least or (count > len(fixed) and not variadic):
        wanted = str(least) if least == len(fixed) and not variadic else f"{least} or more"
        raise ExpressionError(f"{name}() takes {wanted} arguments, not {count}")
