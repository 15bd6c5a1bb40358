"""What Serin reads differently than Flagger 1.44 does with Gloo: from docs/compatibility.md."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from canary.api.canary import GLOO, Canary
from canary.api.matching import RequestMatch
from canary.api.metric_template import PROVIDER_FIELDS
from canary.api.problems import InvalidObject
from canary.rules.cluster import Cluster
from canary.rules.shape import parse_metric_template
from cli.migrate.change import Change, Weight

_FLAGGERS_SHORTEST_S: Final = 10.0
_NEVER_THE_NODES: Final = ", by keys, IRSA or EKS Pod Identity, never by the node's role"
_CONFIRM: Final = "confirm-rollout"
_NO_SUCH_COMMANDS: Final = frozenset({"concord", "ngrinder"})
_COMPARED_AS_IN_FLAGGER: Final = frozenset({"exact", "regex"})


def _analysis(field: str) -> Callable[[Canary], Any]:
    return lambda canary: getattr(canary.analysis, field, None)


def _service(field: str) -> Callable[[Canary], Any]:
    return lambda canary: getattr(canary.spec.service, field)


_TAKES_EFFECT: Final[tuple[tuple[str, Callable[[Canary], Any], str], ...]] = (
    ("spec.service.timeout", _service("timeout"), "requests end after it"),
    ("spec.service.retries", _service("retries"), "requests are retried"),
    ("spec.service.rewrite", _service("rewrite"), "paths and hosts are rewritten"),
    ("spec.service.headers", _service("headers"), "headers are set, added and removed"),
    ("spec.service.corsPolicy", _service("cors_policy"), "answers have CORS headers"),
    ("spec.analysis.mirror", _analysis("mirror"), "requests are mirrored to the canary side, before its first weight"),
    ("spec.analysis.sessionAffinity", _analysis("session_affinity"), "a client stays on the canary side until the end"),
)
"""Fields that Flagger accepts and does nothing with."""


def differences(canary: Canary, provider: str) -> Iterator[Change]:
    """Return the differences that matter; `provider` is Flagger's `-mesh-provider`, empty where it is not known."""
    yield from _provider(canary, provider)
    if canary.provider != GLOO:
        return
    for path, value_of, effect in _TAKES_EFFECT:
        if value_of(canary):
            yield Change(Weight.DIFFERS, path, f"Flagger does nothing with it on Gloo; with Serin {effect}")
    yield from _matches(canary)
    yield from _pace(canary)
    yield from _hooks(canary)
    upstream = canary.spec.upstream_ref
    if upstream is not None and upstream.namespace not in {"", canary.namespace}:
        text = f"if it names Secrets, it needs the annotation serin.dev/shared-with: {canary.namespace}"
        share = (
            f"kubectl -n {upstream.namespace} annotate upstreams.gloo.solo.io {upstream.name} "
            f"serin.dev/shared-with={canary.namespace}"
        )
        yield Change(Weight.DIFFERS, "spec.upstreamRef.namespace", text, share)


def borrowed_identities(canary: Canary, cluster: Cluster) -> Iterator[Change]:
    """Return the checks that Flagger asks in its own name at a cloud, which Serin's agent lends to namespaces."""
    for index, metric in enumerate(canary.analysis.metrics if canary.analysis is not None else ()):
        reference = metric.template_ref
        if reference is None:
            continue
        namespace = reference.namespace or canary.namespace
        found = cluster.metric_template(namespace, reference.name)
        with suppress(InvalidObject):
            provider = parse_metric_template(found).spec.provider if found is not None else None
            fields = None if provider is None else PROVIDER_FIELDS[provider.type]
            if provider is None or fields is None or not fields.own_identity:
                continue
            if provider.secret_ref is not None and not fields.identity_key:
                continue
            key = f"{fields.identity_key} in the Secret" if fields.identity_key else "a secretRef"
            text = (
                f"MetricTemplate {namespace}/{reference.name}: without {key} Flagger asks with its own "
                f"{fields.own_identity}; Serin's agent does for namespace {namespace} with "
                f"--agent-identity-namespaces={namespace}{'' if fields.identity_key else _NEVER_THE_NODES}"
            )
            yield Change(Weight.DIFFERS, f"{canary.analysis_path}.metrics[{index}].templateRef", text)


def _provider(canary: Canary, provider: str) -> Iterator[Change]:
    edit = _edit(canary)
    if canary.provider != GLOO:
        text = f"found {canary.provider!r}: Serin leaves it alone. Keep a Flagger for it, limited to its namespace"
        yield Change(Weight.FIRST, "spec.provider", text, edit)
    elif not canary.spec.provider and not _is_gloos(provider):
        text = f"not written, and Flagger's -mesh-provider is {provider!r}; Serin reads it as gloo: write what it is"
        yield Change(Weight.FIRST, "spec.provider", text, edit)


def _is_gloos(provider: str) -> bool:
    return provider.partition(":")[0] in {"", GLOO}


def _matches(canary: Canary) -> Iterator[Change]:
    entries = canary.analysis.match if canary.analysis is not None else ()
    path = f"{canary.analysis_path}.match"
    for place, entry in enumerate(entries):
        if not entry.has_conditions:
            text = (
                "without a condition it is for everybody on Flagger, and for nobody here: leave it out, or say for whom"
            )
            yield Change(Weight.FIRST, f"{path}[{place}]", text, _edit(canary))
        elif not entry.is_for_somebody:
            text = (
                "it has a condition that a gateway can't ask: Flagger leaves the condition out, here it is for nobody"
            )
            yield Change(Weight.FIRST, f"{path}[{place}]", text, _edit(canary))
        elif _is_narrower(entry):
            text = "Flagger asks for no more than `exact` and `regex` of headers; Serin asks for all that it says"
            yield Change(Weight.DIFFERS, f"{path}[{place}]", text)
    if len(entries) > 1:
        text = "its entries are alternatives; Flagger makes one condition of all of them"
        yield Change(Weight.DIFFERS, path, text)
    if entries:
        text = "who does not match goes to the primary; with Flagger they get 404"
        yield Change(Weight.DIFFERS, path, text)


def _is_narrower(entry: RequestMatch) -> bool:
    compared = {way for match in entry.headers.values() for way in match.ways}
    return bool(compared - _COMPARED_AS_IN_FLAGGER or entry.query_params or entry.without_headers or entry.uri)


def _pace(canary: Canary) -> Iterator[Change]:
    path = canary.analysis_path
    if canary.analysis is not None and canary.analysis.interval and canary.interval_s < _FLAGGERS_SHORTEST_S:
        text = f"steps come each {canary.interval_s:g} s; Flagger reads less than 10 s as 10 s"
        yield Change(Weight.DIFFERS, f"{path}.interval", text)
    if canary.analysis is not None and canary.analysis.match and not canary.analysis.iterations:
        text = "without iterations the weight grows among the requests that match"
        yield Change(Weight.DIFFERS, f"{path}.match", text)


def _hooks(canary: Canary) -> Iterator[Change]:
    for place, hook in enumerate(canary.analysis.webhooks if canary.analysis is not None else ()):
        path = f"{canary.analysis_path}.webhooks[{place}]"
        command = hook.metadata.get("type", "")
        if command in _NO_SUCH_COMMANDS:
            text = (
                f"found {command!r}, which Serin's load tester refuses: keep Flagger's, or write it as a bash command"
            )
            yield Change(Weight.FIRST, f"{path}.metadata.type", text, _edit(canary))
        if canary.spec.skip_analysis and hook.type == _CONFIRM:
            yield Change(Weight.DIFFERS, f"{path}.type", "it is called with skipAnalysis, too")


def _edit(canary: Canary) -> str:
    return f"kubectl -n {canary.namespace} edit canary {canary.name}"
