"""Expressions over a run's metrics, such as ``device_reads + 0.1*pool_pages_mean``, and conditions on them.

Read by Python's own parser and walked here; nothing is executed that is not arithmetic.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isnan

from zreplay.errors import UsageError

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: lambda base, exponent: float(base**exponent),  # complex: a TypeError
}
_SIGNS: dict[type[ast.unaryop], Callable[[float], float]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_FUNCTIONS: dict[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs}
_COMPARE = {ast.LtE: "<=", ast.Lt: "<", ast.GtE: ">=", ast.Gt: ">"}
#: More than anybody writes, and less than the parser's stack takes.
_MOST_CHARACTERS = 1000
_GRAMMAR = "metrics, numbers, + - * / **, parentheses, min(), max(), abs()"

Values = Mapping[str, float]


@dataclass(frozen=True)
class Expression:
    """Arithmetic over metrics.

    Attributes:
        text: as written.
        names: the metrics in it, in order.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr

    @classmethod
    def parse(cls, text: str, option: str) -> "Expression":
        """Raises UsageError, naming the option, for anything that is no arithmetic over metrics."""
        return cls._of(_parsed(text, option), text, option)

    @classmethod
    def _of(cls, tree: ast.expr, text: str, option: str) -> "Expression":
        names: dict[str, None] = {}
        _check(tree, names, text, option)
        return cls(text.strip(), tuple(names), tree)

    def value(self, metrics: Values) -> float:
        """Of one run. Infinite, so never the best, where it has none: a division by 0, or out of range.

        Raises:
            KeyError: a metric is not among ``metrics``.
        """
        try:
            value = _value(self._tree, metrics)
        except (ZeroDivisionError, OverflowError, TypeError):
            return inf
        return inf if isnan(value) else value


@dataclass(frozen=True)
class Condition:
    """Two expressions compared, such as ``pool_pages_peak <= 8000``.

    Attributes:
        text: as written.
        left, right: what is compared.
        compare: one of ``<= < >= >``.
    """

    text: str
    left: Expression
    compare: str
    right: Expression

    @classmethod
    def parse(cls, text: str, option: str) -> "Condition":
        """Raises UsageError, naming the option, for anything that is no comparison of two expressions."""
        tree = _parsed(text, option)
        if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _COMPARE:
            raise UsageError(
                f"{option}: found {text!r}, expected a comparison by <=, <, >= or >, like 'METRIC <= 8000'"
            )
        sides = [Expression._of(side, ast.unparse(side), option) for side in (tree.left, tree.comparators[0])]
        return cls(text.strip(), sides[0], _COMPARE[type(tree.ops[0])], sides[1])

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics in it."""
        return tuple(dict.fromkeys(self.left.names + self.right.names))

    def excess(self, metrics: Values) -> float:
        """How far the left side is beyond the right one; at most 0 where the condition is met."""
        left, right = self.left.value(metrics), self.right.value(metrics)
        beyond = left - right if self.compare in ("<=", "<") else right - left
        return inf if isnan(beyond) else beyond

    def is_met(self, metrics: Values) -> bool:
        """Whether this run satisfies it."""
        beyond = self.excess(metrics)
        return beyond < 0 if self.compare in ("<", ">") else beyond <= 0

    def share(self, metrics: Values) -> float:
        """The excess in units of the right side, so that conditions on different metrics can be added up."""
        return max(0.0, self.excess(metrics)) / (abs(self.right.value(metrics)) or 1.0)


def _parsed(text: str, option: str) -> ast.expr:
    try:
        if len(text) > _MOST_CHARACTERS:
            raise ValueError  # noqa: TRY301
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        shown = text if len(text) <= 60 else f"{text[:57]}…"
        raise UsageError(f"{option}: found {shown!r}, expected an expression of {_GRAMMAR}") from None


def _check(tree: ast.expr, names: dict[str, None], text: str, option: str) -> None:
    match tree:
        case ast.Name(id=name):
            names[name] = None
            return
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            return
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            parts = [left, right]
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _SIGNS:
            parts = [operand]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS and (
            len(arguments) == 1 if name == "abs" else len(arguments) >= 2
        ):
            parts = arguments
        case _:
            raise UsageError(f"{option} {text!r}: found {ast.unparse(tree)!r}, expected {_GRAMMAR}")
    for part in parts:
        _check(part, names, text, option)


def _value(tree: ast.expr, metrics: Values) -> float:
    match tree:
        case ast.Name(id=name):
            return float(metrics[name])
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, metrics), _value(right, metrics))
        case ast.UnaryOp(op=sign, operand=operand):
            return _SIGNS[type(sign)](_value(operand, metrics))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_value(argument, metrics) for argument in arguments))
        case _:
            raise AssertionError(tree)  # checked when it was parsed
