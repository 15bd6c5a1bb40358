"""Gloo's matchers: what a delegated route inherits of them, and the Envoy match that each becomes."""

from sandbox.gloo.reports import TranslationError
from sandbox.gloo.snapshot import Json, without_none

_PATHS = ("exact", "regex", "prefix")  # most specific first


def default_matcher() -> Json:
    return {"prefix": "/"}


def path_kind(matcher: Json) -> str | None:
    return next((kind for kind in _PATHS if matcher.get(kind)), None)


def path_text(matcher: Json) -> str:
    kind = path_kind(matcher)
    return str(matcher[kind]) if kind else ""


def regex_match(pattern: str) -> Json:
    return {"google_re2": {}, "regex": pattern}


def regex_substitution(rewrite: Json) -> Json:
    """Return `{pattern: {regex}, substitution}` as Envoy wants it."""
    return {"pattern": regex_match(rewrite["pattern"]["regex"]), "substitution": rewrite.get("substitution", "")}


def envoy_match(matcher: Json) -> Json:
    """Return the Envoy match of one matcher: everything named in it must hold."""
    match: Json = {}
    kind = path_kind(matcher)
    if kind == "regex":
        match["safe_regex"] = regex_match(matcher["regex"])
    elif kind:
        match["path" if kind == "exact" else "prefix"] = matcher[kind]
    headers = [_header(header) for header in matcher.get("headers") or []]
    if methods := matcher.get("methods"):
        headers.append({"name": ":method", "safe_regex_match": regex_match("|".join(methods))})
    if headers:
        match["headers"] = headers
    if parameters := matcher.get("queryParameters"):
        match["query_parameters"] = [_query_parameter(parameter) for parameter in parameters]
    if matcher.get("caseSensitive") is not None:
        match["case_sensitive"] = matcher["caseSensitive"]
    return match


def _header(header: Json) -> Json:
    value = header.get("value")
    match: Json = {"name": header["name"]}
    if not value:
        match["present_match"] = True
    elif header.get("regex"):
        match["safe_regex_match"] = regex_match(value)
    else:
        match["exact_match"] = value
    if header.get("invertMatch"):
        match["invert_match"] = True
    return match


def _query_parameter(parameter: Json) -> Json:
    value = parameter.get("value")
    if not value:
        return {"name": parameter["name"], "present_match": True}
    text = {"safe_regex": regex_match(value)} if parameter.get("regex") else {"exact": value}
    return {"name": parameter["name"], "string_match": text}


def delegating_matcher(route: Json) -> Json:
    """Return the one matcher of a route that delegates. Raises TranslationError if it has several, or no prefix."""
    matchers = route.get("matchers") or [default_matcher()]
    if len(matchers) > 1:
        raise TranslationError("invalid route: routes with delegate actions must omit or specify a single matcher")
    matcher: Json = matchers[0]
    kind = path_kind(matcher)
    if kind is None:
        return default_matcher()
    if kind != "prefix":
        raise TranslationError("invalid route: routes with delegate actions must use a prefix matcher")
    return matcher


def inherit(matchers: list[Json], parent: Json, *, path: bool, rest: bool) -> list[Json]:
    """Return a delegated route's matchers with what they inherit from the parent's: its path, or all the rest."""
    inherited = [dict(matcher) for matcher in matchers]
    if path:
        taken = without_none(**{kind: parent.get(kind) for kind in _PATHS}, caseSensitive=parent.get("caseSensitive"))
        dropped = {*_PATHS, "caseSensitive"}
        kept = [{name: value for name, value in m.items() if name not in dropped} for m in inherited or [{}]]
        inherited = [taken | matcher for matcher in kept]
    inherited = inherited or [default_matcher()]
    if rest:
        for matcher in inherited:
            for name in ("headers", "methods", "queryParameters"):
                if entries := (parent.get(name) or []) + (matcher.get(name) or []):
                    matcher[name] = entries
    return inherited


def check_delegated(matchers: list[Json], parent: Json) -> None:
    """Raise TranslationError unless each matcher only narrows the parent's: Gloo leaves out the route otherwise."""
    rule = "invalid route: route table matchers must"
    for matcher in matchers:
        path, prefix = path_text(matcher), parent.get("prefix", "")
        if not path.startswith(prefix):
            raise TranslationError(
                f"required prefix: {prefix}, prefix: {path}: {rule} begin with the prefix of their parent route's "
                "matcher"
            )
        if matcher.get("caseSensitive") != parent.get("caseSensitive"):
            raise TranslationError(f"{rule} have the same case sensitivity of their parent route's matcher")
        for name, what in (("headers", "headers"), ("queryParameters", "query params"), ("methods", "methods")):
            entries = matcher.get(name) or []
            if any(entry not in entries for entry in parent.get(name) or []):
                raise TranslationError(f"{rule} have all {what} that were specified on their parent route's matcher")


def specificity(matchers: list[Json]) -> tuple[int, int, list[int]]:
    """Return the sort key of a route among tables of one weight: methods, exact, regex, prefix, then long paths."""
    return min(_specificity(matcher) for matcher in matchers or [default_matcher()])


def _specificity(matcher: Json) -> tuple[int, int, list[int]]:
    kind = path_kind(matcher)
    rank = 1 + _PATHS.index(kind) if kind else 0
    # The lexicographically greater path comes first; the end of a path sorts behind all that goes on.
    descending = [-ord(letter) for letter in path_text(matcher)] + [1]
    return -len(matcher.get("methods") or []), rank, descending
