"""A VirtualService and the RouteTables that it delegates to, flattened into one list of routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.gloo.matchers import check_delegated, delegating_matcher, inherit, specificity
from sandbox.gloo.reports import Report, TranslationError
from sandbox.gloo.selectors import select_route_tables
from sandbox.gloo.snapshot import Collection, Json, Key, dotted, key_of

_ACTIONS = ("routeAction", "redirectAction", "directResponseAction")


@dataclass(frozen=True)
class FlatRoute:
    """A route that no longer delegates: its matchers and options are whole, `spec` carries its action.

    `name` is empty unless somebody on its way gave a name; `namespace` completes references that name none.
    """

    matchers: list[Json]
    options: Json
    spec: Json
    name: str
    namespace: str


@dataclass(frozen=True)
class _Parent:
    """What the route above hands down."""

    matcher: Json
    options: Json
    name: str
    is_named: bool
    hands_down_path: bool
    hands_down_rest: bool


@dataclass
class Flattening:
    """One walk, depth first and in order, from one VirtualService; what it finds wrong goes to the reports."""

    route_tables: Collection
    virtual_service: Report
    table_reports: Mapping[Key, Report]
    _visited: list[Key] = field(default_factory=list)

    def flatten(self, virtual_service: Json) -> list[FlatRoute]:
        namespace, name = key_of(virtual_service)
        routes = (virtual_service["spec"].get("virtualHost") or {}).get("routes") or []
        return self._routes(routes, (namespace, name), f"vs:gateway-proxy_gateway-proxy_{namespace}_{name}", None)

    def _routes(self, routes: list[Json], owner: Key, path: str, parent: _Parent | None) -> list[FlatRoute]:
        flat: list[FlatRoute] = []
        for index, route in enumerate(routes):
            name = f"{path}_route:{route.get('name') or f'<unnamed-{index}>'}"
            is_named = bool(route.get("name")) or (parent is not None and parent.is_named)
            try:
                whole = _merged(route, parent)
            except TranslationError as error:
                self._warn(owner, str(error))
                continue
            if "delegateAction" in whole:
                flat += self._delegated(whole, owner, name, is_named=is_named)
            elif not any(action in whole for action in _ACTIONS):
                self._reject(owner, "invalid route: route must specify an action")
            else:
                flat.append(_flat(whole, owner, name if is_named else ""))
        return flat

    def _delegated(self, route: Json, owner: Key, name: str, *, is_named: bool) -> list[FlatRoute]:
        try:
            matcher = delegating_matcher(route)
        except TranslationError as error:
            self._reject(owner, str(error))
            return []
        try:
            groups = select_route_tables(route["delegateAction"] or {}, owner[0], self.route_tables)
        except TranslationError as error:
            self._warn(owner, str(error))
            return []
        parent = _Parent(
            matcher=matcher,
            options=route.get("options") or {},
            name=name,
            is_named=is_named,
            hands_down_path=bool(route.get("inheritablePathMatchers")),
            hands_down_rest=bool(route.get("inheritableMatchers")),
        )
        flat: list[FlatRoute] = []
        for group in groups:
            routes = [found for table in group for found in self._table(table, parent)]
            if len(group) > 1:
                routes.sort(key=lambda found: specificity(found.matchers))
            flat += routes
        return flat

    def _table(self, table: Json, parent: _Parent) -> list[FlatRoute]:
        key = key_of(table)
        if key in self._visited:
            circle = " -> ".join(f"[{dotted(visited)}]" for visited in [*self._visited, key])
            self._reject(key, f"invalid route: delegation cycle detected: {circle}")
            return []
        self._visited.append(key)
        namespace, name = key
        path = f"{parent.name}_rt:{namespace}_{name}"
        routes = self._routes(table["spec"].get("routes") or [], key, path, parent)
        self._visited.pop()
        return routes

    def _warn(self, owner: Key, text: str) -> None:
        self.virtual_service.warnings.append(self._at(owner, text))
        if self._visited:
            self.table_reports[owner].warnings.append(text)

    def _reject(self, owner: Key, text: str) -> None:
        self.virtual_service.errors.append(self._at(owner, text))
        if self._visited:
            self.table_reports[owner].errors.append(text)

    def _at(self, owner: Key, text: str) -> str:
        return f"on sub route table {dotted(owner)}: {text}" if self._visited else text


def _merged(route: Json, parent: _Parent | None) -> Json:
    """Return `route` with what its parent hands down; raises TranslationError when the two don't fit together."""
    if parent is None:
        return route
    path = route.get("inheritablePathMatchers")
    rest = route.get("inheritableMatchers")
    path = parent.hands_down_path if path is None else path
    rest = parent.hands_down_rest if rest is None else rest
    matchers = inherit(route.get("matchers") or [], parent.matcher, path=path, rest=rest)
    check_delegated(matchers, parent.matcher)
    own = {name: value for name, value in (route.get("options") or {}).items() if value not in (None, "", [], {})}
    return route | {
        "matchers": matchers,
        "options": parent.options | own,
        "inheritablePathMatchers": path,
        "inheritableMatchers": rest,
    }


def _flat(route: Json, owner: Key, name: str) -> FlatRoute:
    return FlatRoute(
        matchers=route.get("matchers") or [{"prefix": "/"}],
        options=route.get("options") or {},
        spec=route,
        name=name,
        namespace=owner[0],
    )
