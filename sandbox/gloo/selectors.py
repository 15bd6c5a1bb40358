"""Which RouteTables a delegateAction means: one by reference, or several by label."""

from collections.abc import Callable

from sandbox.gloo.reports import TranslationError
from sandbox.gloo.snapshot import Collection, Json, Key, dotted, key_of

_ALL_NAMESPACES = "*"

# Gloo's operators, case-insensitive; `values` are texts.
_OPERATORS: dict[str, Callable[[str | None, list[str]], bool]] = {
    "equals": lambda value, values: value == values[0],
    "doubleequals": lambda value, values: value == values[0],
    "notequals": lambda value, values: value != values[0],
    "in": lambda value, values: value in values,
    "notin": lambda value, values: value not in values,
    "exists": lambda value, _values: value is not None,
    "doesnotexist": lambda value, _values: value is None,
    "greaterthan": lambda value, values: value is not None and int(value) > int(values[0]),
    "lessthan": lambda value, values: value is not None and int(value) < int(values[0]),
}
_NEED_VALUES = _OPERATORS.keys() - {"exists", "doesnotexist"}


def select_route_tables(action: Json, owner_namespace: str, route_tables: Collection) -> list[list[Json]]:
    """Return the RouteTables behind `action`, lowest `spec.weight` first, those of one weight together.

    Raises TranslationError, with Gloo's warning, when there is none.
    """
    ref = action if action.get("name") else action.get("ref")
    if ref:
        key: Key = (ref.get("namespace", ""), ref.get("name", ""))
        if key not in route_tables:
            raise TranslationError(f"route table {dotted(key)} missing")
        return [[route_tables[key]]]
    selector = action.get("selector")
    if selector is None:
        raise TranslationError(
            "cannot determine delegation target: you must specify a route table either via a resource reference or a "
            "selector"
        )
    selected = [table for table in route_tables.values() if _matches(selector, owner_namespace, table)]
    if not selected:
        raise TranslationError("no route table matches the given selector")
    by_weight: dict[int, list[Json]] = {}
    for table in sorted(selected, key=key_of):
        by_weight.setdefault(table["spec"].get("weight") or 0, []).append(table)
    return [by_weight[weight] for weight in sorted(by_weight)]


def _matches(selector: Json, owner_namespace: str, table: Json) -> bool:
    wanted, expressions = selector.get("labels") or {}, selector.get("expressions") or []
    if wanted and expressions:
        raise TranslationError("cannot use both labels and expressions within the same selector")
    namespaces = selector.get("namespaces") or [owner_namespace]
    if _ALL_NAMESPACES not in namespaces and table["metadata"]["namespace"] not in namespaces:
        return False
    labels = table["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Json, labels: dict[str, str]) -> bool:
    operator = str(expression.get("operator", "equals")).lower()
    values = expression.get("values") or []
    if operator not in _OPERATORS or (operator in _NEED_VALUES and not values):
        raise TranslationError(f"the route table selector expression is invalid: {expression}")
    return _OPERATORS[operator](labels.get(expression.get("key", "")), values)
