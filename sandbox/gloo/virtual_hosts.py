"""A VirtualService's flattened routes as an Envoy virtual host."""

from collections.abc import Callable
from dataclasses import dataclass, field

import re2

from sandbox.gloo.delegation import FlatRoute
from sandbox.gloo.destinations import ZERO_WEIGHT, envoy_clusters, find_invalid, is_zero_weight
from sandbox.gloo.matchers import envoy_match, path_kind, regex_substitution
from sandbox.gloo.reports import Report, TranslationError
from sandbox.gloo.route_options import action_options, route_options, virtual_host_options
from sandbox.gloo.snapshot import Json, Key, dotted, key_of, without_none

_REDIRECT_CODES = {
    "FOUND": "FOUND",
    "SEE_OTHER": "SEE_OTHER",
    "TEMPORARY_REDIRECT": "TEMPORARY_REDIRECT",
    "PERMANENT_REDIRECT": "PERMANENT_REDIRECT",
}  # MOVED_PERMANENTLY is Envoy's default
_RE2_QUIET = re2.Options()
_RE2_QUIET.log_errors = False


def virtual_host_name(virtual_service: Key) -> str:
    return "_".join(virtual_service)


@dataclass
class VirtualHosts:
    """Builds virtual hosts; what is wrong with a route is told of the proxy, a warning of the VirtualService too."""

    upstream_exists: Callable[[Key], bool]
    proxy: Report = field(default_factory=Report)

    def build(self, virtual_service: Json, routes: list[FlatRoute], report: Report) -> Json:
        """Return `{"name", "domains", "routes", ...}`; regexes that can't be compiled become errors in `report`."""
        key = key_of(virtual_service)
        host = virtual_service["spec"].get("virtualHost") or {}
        name = virtual_host_name(key)
        report.errors += _invalid_regexes(key, routes)
        envoy_routes = []
        for index, route in enumerate(routes):
            for number, matcher in enumerate(route.matchers):
                named = f"{route.name}-" if route.name else ""
                route_name = f"{name}-route-{index}-{named}matcher-{number}"
                action = self._action(route, route_name, report)
                envoy_routes.append({"match": envoy_match(matcher), "name": route_name} | action)
        fields = {"name": name, "domains": host.get("domains") or ["*"], "routes": envoy_routes}
        try:
            return fields | virtual_host_options(host.get("options") or {})
        except TranslationError as error:
            self.proxy.errors.append(f"VirtualHost Error: ProcessingError. Reason: {error}")
            return fields

    def _action(self, route: FlatRoute, route_name: str, report: Report) -> Json:
        if (redirect := route.spec.get("redirectAction")) is not None:
            action: Json = {"redirect": _redirect(redirect)}
        elif (response := route.spec.get("directResponseAction")) is not None:
            action = {"direct_response": _direct_response(response)}
        else:
            action = {"route": self._route(route, route_name, report)}
        try:
            return action | route_options(route.options)
        except TranslationError as error:
            self._reject(str(error), route_name)
            return action

    def _route(self, route: FlatRoute, route_name: str, report: Report) -> Json:
        spec = route.spec.get("routeAction") or {}
        if invalid := find_invalid(spec, route.namespace, self.upstream_exists):
            warning = f"Route Warning: InvalidDestinationWarning. Reason: {invalid}"
            self.proxy.warnings.append(warning)
            report.warnings.append(warning)
        try:
            clusters = envoy_clusters(spec, route.namespace)
            if is_zero_weight(clusters):
                self._reject(ZERO_WEIGHT, route_name)
            return clusters | action_options(route.options)
        except TranslationError as error:
            self._reject(str(error), route_name)
            return {"weighted_clusters": {"clusters": []}}  # Envoy refuses it: the routes served before stay

    def _reject(self, reason: str, route_name: str) -> None:
        self.proxy.errors.append(f"Route Error: ProcessingError. Reason: {reason}. Route Name: {route_name}")


def _redirect(redirect: Json) -> Json:
    path: Json = {}
    if target := redirect.get("pathRedirect"):
        path["path_redirect"] = target
    elif prefix := redirect.get("prefixRewrite"):
        path["prefix_rewrite"] = prefix
    elif regex := redirect.get("regexRewrite"):
        path["regex_rewrite"] = regex_substitution(regex)
    return {"https_redirect": bool(redirect.get("httpsRedirect"))} | without_none(
        host_redirect=redirect.get("hostRedirect") or None,
        port_redirect=redirect.get("portRedirect"),
        response_code=_REDIRECT_CODES.get(redirect.get("responseCode") or ""),
        strip_query=True if redirect.get("stripQuery") else None,
        **path,
    )


def _direct_response(response: Json) -> Json:
    return without_none(
        status=response.get("status"), body={"inline_string": response["body"]} if response.get("body") else None
    )


def _invalid_regexes(key: Key, routes: list[FlatRoute]) -> list[str]:
    """Return the errors of regexes: Gloo compiles those of paths and rewrites, and hands those of headers to Envoy."""
    patterns = [matcher["regex"] for route in routes for matcher in route.matchers if path_kind(matcher) == "regex"]
    patterns += [
        route.options[name]["pattern"]["regex"]
        for route in routes
        for name in ("hostRewritePathRegex", "regexRewrite")
        if route.options.get(name)
    ]
    errors = []
    for pattern in patterns:
        try:
            re2.compile(pattern, options=_RE2_QUIET)
        except re2.error as error:
            errors.append(f"virtual service [{dotted(key)}] has a regex matcher with invalid regex, {_text(error)}")
    return errors


def _text(error: re2.error) -> str:
    reason = error.args[0]
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
