"""What is shipped and documented is admitted without a word, and so is whatever is drawn within the bounds."""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary.rules.shape import parse_canary
from tests.support.admission_faults import NOWHERE, validate
from tests.support.cluster import REPOSITORY
from tests.support.reviews import request
from tests.support.rule_cases import good_canary_with
from webhook.context import Handler
from webhook.mutating import mutate_canary
from webhook.review import ALLOWED
from webhook.validating import validate_alert_provider, validate_canary, validate_metric_template

Object = dict[str, Any]

HANDLERS: dict[str, Handler] = {
    "Canary": validate_canary,
    "MetricTemplate": validate_metric_template,
    "AlertProvider": validate_alert_provider,
}
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
EXAMPLES = [
    *sorted((REPOSITORY / "manifests" / "examples").rglob("*.yaml")),
    *sorted((REPOSITORY / "manifests" / "examples-steps").rglob("*.yaml")),
    REPOSITORY / "tests" / "unit" / "canary_api" / "examples" / "weights.yaml",
]


def documents() -> Iterator[tuple[str, Object]]:
    """Every object of the examples and of the pages' code blocks; of a part of a Canary, the good one with it."""
    for path in EXAMPLES:
        yield from _named(path, yaml.safe_load_all(path.read_text()))
    for path in PAGES:
        blocks = re.findall(r"```ya?ml\n(.*?)```", path.read_text(), re.DOTALL)
        yield from _named(path, (obj for block in blocks for obj in yaml.safe_load_all(block)))


def _named(path: Path, found: Iterator[Any]) -> Iterator[tuple[str, Object]]:
    for number, obj in enumerate(found):
        whole = obj if "kind" in obj else _completed(obj)
        if whole.get("kind") in HANDLERS:
            yield f"{path.relative_to(REPOSITORY)}: {whole['kind']} {number}", whole


def _completed(part: Object) -> Object:
    obj, spec = good_canary_with({}), part.get("spec", part)
    for field, value in spec.items():
        both = isinstance(value, dict) and isinstance(obj["spec"].get(field), dict)
        obj["spec"][field] = obj["spec"][field] | value if both else value
    if "steps" in obj["spec"]["analysis"]:
        # They stand in place of the good one's.
        del obj["spec"]["analysis"]["stepWeight"], obj["spec"]["analysis"]["maxWeight"]
    return obj


DOCUMENTS = dict(documents())

FLAGGERS = "spec.autoscalerRef.apiVersion: found 'autoscaling/v2beta2'; allowed: autoscaling/v2, which it is read as"
"""The guide's Canary is Flagger's to the letter."""


def test_there_are_such_objects() -> None:
    assert {obj["kind"] for obj in DOCUMENTS.values()} == set(HANDLERS)
    assert len(DOCUMENTS) >= 6


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_shipped_and_documented_is_admitted_without_a_word(name: str) -> None:
    obj = deepcopy(DOCUMENTS[name])
    obj["metadata"].setdefault("namespace", "test")
    answer = HANDLERS[obj["kind"]](request(obj), NOWHERE)
    assert answer.is_allowed
    is_flaggers = obj["spec"].get("autoscalerRef", {}).get("apiVersion") == "autoscaling/v2beta2"
    assert answer.warnings == ((FLAGGERS,) if is_flaggers else ())


LABELS = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,3}[a-z0-9]){0,9}", fullmatch=True).filter(
    lambda name: not re.search(r"\.[-.]|-\.", name)
)
HOSTS = LABELS | st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(lambda address: f"[{address}]")
PATHS = st.from_regex(r"(/[A-Za-z0-9._~%3D-]{0,8}){0,3}", fullmatch=True)
URLS = st.builds(
    lambda scheme, host, port, path: f"{scheme}://{host}{port}{path}",
    st.sampled_from(["http", "https"]),
    HOSTS,
    st.just("") | st.integers(1, 65_535).map(lambda port: f":{port}"),
    PATHS,
)
PERCENTS = st.integers(1, 100)
STEPS = st.one_of(
    st.builds(lambda ends: {"stepWeight": min(ends), "maxWeight": max(ends)}, st.tuples(PERCENTS, PERCENTS)),
    st.sets(PERCENTS, min_size=1).map(lambda weights: {"stepWeights": sorted(weights)}),
)
SECONDS = st.integers(10, 86_400).map(lambda seconds: f"{seconds}s")
METRICS = st.one_of(
    st.builds(lambda least: [{"name": "request-success-rate", "thresholdRange": {"min": least}}], st.floats(1, 100)),
    st.builds(
        lambda most, window: [{"name": "request-duration", "thresholdRange": {"max": most}, "interval": window}],
        st.floats(1, 1e6),
        SECONDS,
    ),
    st.builds(
        lambda name, template, least: [{"name": "own", "templateRef": template | {"name": name}, "threshold": least}],
        NAMES,
        st.sampled_from([{}, {"namespace": "platform"}]),
        st.floats(-1e6, 1e6),
    ),
)
HOOKS = st.builds(
    lambda url, kind, timeout, metadata: [
        {"name": "hook", "url": url, "timeout": timeout, "metadata": metadata} | kind
    ],
    URLS,
    st.sampled_from([{}, *({"type": kind} for kind in ("pre-rollout", "rollout", "confirm-promotion", "event"))]),
    st.integers(1, 3_600).map(lambda seconds: f"{seconds}s"),
    st.dictionaries(LABELS.filter(lambda key: key != "type"), st.text(max_size=9), max_size=2),
)
ANALYSES = st.builds(
    lambda steps, metrics, hooks, numbers: steps | numbers | {"metrics": metrics, "webhooks": hooks},
    STEPS,
    METRICS,
    HOOKS,
    st.fixed_dictionaries(
        {"interval": st.integers(1, 86_400).map(lambda seconds: f"{seconds}s"), "threshold": st.integers(0, 10_000)},
        optional={
            "unobservedDeadlineSeconds": st.integers(1, 604_800),
            "drainSeconds": st.integers(0, 86_400),
            "primaryReadyThreshold": PERCENTS,
            "canaryReadyThreshold": PERCENTS,
        },
    ),
)
SPECS = st.fixed_dictionaries(
    {
        "targetRef": NAMES.map(lambda name: {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}),
        "service": st.builds(lambda name, port: {"name": f"svc-{name}", "port": port}, LABELS, st.integers(1, 65_535)),
        "analysis": ANALYSES,
    },
    optional={
        "progressDeadlineSeconds": st.integers(1, 604_800),
        "suspend": st.booleans(),
        "revertOnDeletion": st.booleans(),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SPECS)
def test_a_spec_within_all_bounds_is_admitted_without_a_word_and_runs(spec: Object) -> None:
    obj = good_canary_with({}) | {"spec": spec}
    assert validate(obj) == ALLOWED
    assert mutate_canary(request(obj), NOWHERE).warnings == ()
    parse_canary(obj)


NOT_NAMES = st.text(min_size=1, max_size=30).filter(
    lambda text: not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", text) or re.search(r"\.[-.]|-\.", text) is not None
)


@settings(max_examples=100, deadline=None)
@given(NOT_NAMES)
def test_no_name_that_no_object_can_have_is_admitted(name: str) -> None:
    for path in ("targetRef/name", "autoscalerRef/name"):
        answer = validate(good_canary_with({path: name, "service/name": "podinfo"}))
        assert answer.refusal is not None
        assert [cause.field for cause in answer.refusal.causes] == [f"spec.{path.replace('/', '.')}"]


NOT_HOSTS = st.sampled_from(
    ["", "!", "-", "a b", "a\tb", "a..b", ".a", "-a", "a-", "[::1", "::1]", "a:b", "a:0", "@", "é!"]
)


@given(st.sampled_from(["http", "https"]), NOT_HOSTS, PATHS)
def test_no_address_whose_host_can_be_none_is_admitted(scheme: str, host: str, path: str) -> None:
    answer = validate(good_canary_with({"analysis/webhooks/0/url": f"{scheme}://{host}{path}"}))
    assert answer.refusal is not None
    assert [cause.field for cause in answer.refusal.causes] == ["spec.analysis.webhooks[0].url"]
