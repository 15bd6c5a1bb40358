"""Faults of checks, hooks, alerts and conditions that were once admitted without a word: each has exactly this answer.

The base is a good Canary; `...` removes a field. `error` and `applied` refuse; what was stored with the latter runs on.
"""

from collections.abc import Mapping

import pytest

from tests.support.admission_faults import OBJECT_NAME, Fault, answers, check_stored, fault, hook
from tests.support.rule_cases import ab_test

HTTP_URL = "a URL that starts with http:// or https:// and names a host"
CLEAN_URL = f"{HTTP_URL}, without spaces and control characters"
OWN = {"name": "own", "threshold": 1}
EVERY_SERIES = (
    "PromQL that gives one series, for example by sum() around it; this asks for every series of the name, and "
    "several are an error in the check"
)
SHORT = "a duration such as 30s or 1m; with less than 10s few windows have the two scrapes that a rate needs"


def success_rate(**bounds: object) -> Mapping[str, object]:
    return {"analysis/metrics/0/thresholdRange": bounds}


def duration(**bounds: object) -> Mapping[str, object]:
    return {"analysis/metrics/1/thresholdRange": bounds}


CHECKS: list[Fault] = [
    fault(
        success_rate(max=99),
        "applied: spec.analysis.metrics[0].thresholdRange.max: found 99; allowed: min, the least percentage of "
        "requests "
        "that succeed; with this, a revision without errors fails",
    ),
    fault(
        success_rate(min=90, max=99),
        "warning: spec.analysis.metrics[0].thresholdRange.max: found 99; allowed: min, the least percentage of "
        "requests "
        "that succeed; with this, a revision without errors fails",
    ),
    fault(
        success_rate(min=-5),
        "applied: spec.analysis.metrics[0].thresholdRange.min: found -5; allowed: a percentage from 0 to 100",
    ),
    fault(
        success_rate(min=0.99),
        "warning: spec.analysis.metrics[0].thresholdRange.min: found 0.99; allowed: a percentage, such as 99; 0.99 is "
        "less than one request of a hundred",
    ),
    fault(
        {"analysis/metrics/0": {"name": "request-success-rate", "threshold": 0.995}},
        "warning: spec.analysis.metrics[0].threshold: found 0.995; allowed: a percentage, such as 99.5; 0.995 is less "
        "than one request of a hundred",
    ),
    fault(
        duration(min=500),
        "applied: spec.analysis.metrics[1].thresholdRange.min: found 500; allowed: max, the most milliseconds that 99 "
        "of 100 requests take; with this, a faster revision fails",
    ),
    fault(
        duration(max=-1),
        "applied: spec.analysis.metrics[1].thresholdRange.max: found -1; allowed: milliseconds, more than 0",
    ),
    fault(
        duration(max=0.5),
        "warning: spec.analysis.metrics[1].thresholdRange.max: found 0.5; allowed: milliseconds, such as 500; no "
        "request is answered in 0.5 ms",
    ),
    fault(
        {"analysis/metrics/1": {"name": "request-duration", "threshold": 0.25}},
        "warning: spec.analysis.metrics[1].threshold: found 0.25; allowed: milliseconds, such as 250; no request is "
        "answered in 0.25 ms",
    ),
    fault(
        {"analysis/metrics/0/threshold": 99},
        "warning: spec.analysis.metrics[0].threshold: found 99; allowed: nothing beside thresholdRange, which replaces "
        "it",
    ),
    fault(
        {"analysis/metrics/0/interval": "500ms"},
        "applied: spec.analysis.metrics[0].interval: found '500ms'; allowed: a duration such as 30s or 1m, at least 1s",
    ),
    fault(
        {"analysis/metrics/0/interval": "1s"},
        f"warning: spec.analysis.metrics[0].interval: found '1s'; allowed: {SHORT}",
    ),
    fault(
        {"analysis/metrics/0": OWN | {"templateRef": {"name": ""}}},
        "applied: spec.analysis.metrics[0].templateRef.name: found ''; allowed: the name of an object, or no reference "
        "at all",
    ),
    fault(
        {"analysis/metrics/0": OWN | {"templateRef": {"name": "no/name"}}},
        f"applied: spec.analysis.metrics[0].templateRef.name: found 'no/name'; allowed: {OBJECT_NAME}",
    ),
    fault(
        {"analysis/metrics/0": OWN | {"query": "up"}},
        f"warning: spec.analysis.metrics[0].query: found 'up'; allowed: {EVERY_SERIES}",
    ),
    fault(
        {"analysis/metrics/0": OWN | {"query": "rate(errors[1m]) * 100"}},
        f"warning: spec.analysis.metrics[0].query: found 'rate(errors[1m]) * 100'; allowed: {EVERY_SERIES}",
    ),
    fault(
        {"analysis/metrics/0": OWN | {"query": 'x{a="{{ namespace"}'}},
        "applied: spec.analysis.metrics[0].query: found '{{ namespace\"}' (line 1, column 6); allowed: between the "
        'braces, name, namespace, target, service, ingress, route, interval, variables.NAME, index variables "NAME", '
        "printf, eq, ne, and, or, not, if, else, end",
    ),
]

CALLS: list[Fault] = [
    fault(
        hook(url="http://!!!/"), f"applied: spec.analysis.webhooks[0].url: found 'http://!!!/'; allowed: {CLEAN_URL}"
    ),
    fault(hook(url=" http://x/"), f"applied: spec.analysis.webhooks[0].url: found ' http://x/'; allowed: {CLEAN_URL}"),
    fault(
        hook(url="http://x/a b"), f"applied: spec.analysis.webhooks[0].url: found 'http://x/…'; allowed: {CLEAN_URL}"
    ),
    fault(
        hook(url="http://x\r\nhost: y/"),
        f"error: spec.analysis.webhooks[0].url: found 'http://x\\r\\nhost: y/'; allowed: {HTTP_URL}",
    ),
    fault(
        hook(metadata={"type": "bash", "command": "x"}),
        "warning: spec.analysis.webhooks[0].metadata.cmd: found nothing; allowed: the command, where metadata.type is "
        "bash: the load tester runs no other key",
    ),
    fault(
        {"analysis/alerts": [{"name": name, "providerRef": {"name": "chat"}} for name in ("a", "b")]},
        "warning: spec.analysis.alerts[1].providerRef.name: found 'chat'; allowed: a provider that no other alert of "
        "this analysis has; each message is sent there twice",
    ),
    fault(
        {"analysis/alerts": [{"name": "a", "providerRef": {"name": ""}}]},
        "applied: spec.analysis.alerts[0].providerRef.name: found ''; allowed: the name of an object, or no reference "
        "at all",
    ),
]

A, B = {"x-a": {"exact": "1"}}, {"X-A": {"exact": "1"}}
MATCHES: list[Fault] = [
    fault(
        ab_test({"headers": A}, {"name": "again", "headers": A}),
        'warning: spec.analysis.match[1]: found {"name": "again", "headers": {"x-a": {"exact": "1"}}}; allowed: an '
        "entry that is not in the list yet; this one chooses nobody else",
    ),
    fault(
        ab_test({"headers": B | A}),
        'warning: spec.analysis.match[0].headers[x-a]: found {"exact": "1"}; allowed: one spelling of X-A; case makes '
        "no difference in a header's name, so both count",
    ),
    *(
        fault(
            ab_test({"headers": A, "withoutHeaders": {"X-A": match}}),
            f"warning: spec.analysis.match[0].withoutHeaders[X-A]: found {found}; allowed: another header, or another "
            "value, than headers of this entry; with both, the entry is for nobody",
        )
        for match, found in (({"exact": "1"}, '{"exact": "1"}'), ({"present": True}, '{"present": true}'))
    ),
]

FAULTS = [*CHECKS, *CALLS, *MATCHES]

NO_FAULTS: list[Mapping[str, object]] = [
    success_rate(min=1),
    success_rate(min=99, max=100),
    success_rate(max=100),
    success_rate(min=0),
    duration(min=5, max=500),
    duration(max=1),
    {"analysis/metrics/0/interval": "10s"},
    {"analysis/metrics/0": OWN | {"query": "sum(up)"}},
    {"analysis/metrics/0": OWN | {"query": 'up{job="podinfo"}'}},
    {"analysis/metrics/0": OWN | {"query": "scalar(up)"}},
    hook(url="https://user:secret@[::1]:8443/x?y=z%20"),
    hook(url="http://under_score.example.com./"),
    hook(url="http://bücher.example/"),
    hook(metadata={"type": "bash", "cmd": "x"}),
    hook(metadata={"command": "x"}),
    {"analysis/alerts": [{"name": n, "providerRef": {"name": "chat", "namespace": n}} for n in ("a", "b")]},
    ab_test({"headers": A}, {"headers": {"x-a": {"exact": "2"}}}),
    ab_test({"headers": {"x-a": {"prefix": "1"}}, "withoutHeaders": {"X-A": {"exact": "12"}}}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_each_fault_has_its_answer(fault: Fault) -> None:
    assert answers(fault.changes) == [fault.told]


@pytest.mark.parametrize("changes", NO_FAULTS, ids=str)
def test_its_neighbours_are_admitted_without_a_word(changes: Mapping[str, object]) -> None:
    assert answers(changes) == []


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_was_stored_with_a_new_fault_runs_on_and_stays_editable(fault: Fault) -> None:
    check_stored(fault)
