"""What is read of a stored Canary: its spec, or the last one that could be read, and what blocks it."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from agent.stored import SpecReader, is_gone, read_stored
from canary.api.names import Identity
from canary.decide.takeover import is_foreign
from canary.run.phase import Phase
from canary.run.state import Revisions, State
from canary.run.status import UnknownPhase, write_status
from canary.run.wire import FINALIZER
from kube.json_text import loads
from tests.support.canaries import canary, canary_object

DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
FINISHED = Revisions(analysed="rev-1", promoted="rev-1", finished="rev-1")


def with_metadata(**metadata: Any) -> dict[str, Any]:
    obj = canary_object()
    return obj | {"metadata": obj["metadata"] | metadata}


def invalid(**spec: Any) -> dict[str, Any]:
    return canary_object({"threshold": "many"}, **spec)


def test_a_valid_spec_is_read_and_remembered() -> None:
    stored = read_stored(canary_object(), None)
    assert stored.canary == stored.last_valid == canary()
    assert (stored.blocker, stored.is_spec_lost) == (None, False)


def test_an_invalid_spec_is_replaced_by_the_last_valid_one() -> None:
    known = canary(suspend=True)
    stored = read_stored(invalid(), known)
    assert stored.canary is stored.last_valid is known
    assert stored.blocker is not None
    assert (stored.blocker.reason, stored.is_spec_lost) == ("InvalidSpec", False)


def test_of_an_invalid_spec_that_nobody_knew_the_names_are_read() -> None:
    stored = read_stored(invalid(), None)
    assert stored.canary is not None
    assert (stored.canary.spec.target_ref.name, stored.canary.analysis) == ("podinfo", None)
    assert (stored.last_valid, stored.is_spec_lost) == (None, True)


def test_nothing_is_done_about_a_spec_without_even_names() -> None:
    stored = read_stored(invalid(targetRef={}), None)
    assert (stored.canary, stored.is_spec_lost) == (None, True)


@pytest.mark.parametrize(
    ("state", "is_watched"),
    [
        (State(), False),
        (State(phase=Phase.PROGRESSING), False),
        (State(phase=Phase.PROGRESSING, revisions=FINISHED), True),
    ],
    ids=["new", "another controller's", "ours"],
)
def test_a_canary_of_another_provider_is_watched_only_if_it_was_ours(state: State, is_watched: bool) -> None:  # noqa: FBT001
    status = write_status(state, {}, target_kind="Deployment", generation=1)
    stored = read_stored(canary_object(provider="istio") | {"status": status}, None)
    assert (stored.canary is not None) is is_watched
    assert stored.blocker is not None
    assert stored.blocker.reason == "ProviderNotSupported"


def test_an_unknown_phase_is_refused_unless_the_canary_is_being_deleted() -> None:
    status = {"status": {"phase": "Dreaming"}}
    with pytest.raises(UnknownPhase):
        read_stored(canary_object() | status, None)
    assert read_stored(with_metadata(**DELETED) | status, None).state.phase is Phase.FAILED


@pytest.mark.parametrize(
    "ours",
    [
        {"notBefore": "yesterday"},
        {"sequence": "many"},
        {"seen": {"uid": "1"}},
        {"news": [{}]},
        {"request": {"verb": "pause"}},
        {"unobservedSeconds": "long"},
        {"unobservedSeconds": "NaN"},
        {"sequence": 1e300},
        {"queue": {"position": 1e300, "of": 2, "since": "2023-11-14T22:13:20Z"}},
        ["not", "even", "an", "object"],
        "nor this",
        7.5,
    ],
)
def test_a_status_that_somebody_made_unreadable_is_read_as_flaggers(ours: Any) -> None:
    status = {
        "phase": "Progressing",
        "canaryWeight": 20,
        "serin": {"finishedRevision": "rev-1"} | ours if isinstance(ours, dict) else ours,
    }
    state = read_stored(canary_object() | {"status": status}, None).state
    assert (state.phase, state.traffic.canary_percent) == (Phase.PROGRESSING, 20)
    assert is_foreign(state), "nothing would pull what nobody knows anything of"
    written = write_status(state, status, target_kind="Deployment", generation=1)
    assert loads(orjson.dumps(written))["serin"]["sequence"] == 0


@pytest.mark.parametrize(
    "conditions", ["none", 7.5, {"type": "Ready"}, ["Ready", None, {}, {"type": ["Ready"]}, {"type": "Theirs"}]]
)
def test_conditions_that_are_none_cost_nothing_else_of_the_status(conditions: Any) -> None:
    before = write_status(MADE, {}, target_kind="Deployment", generation=1) | {"conditions": conditions}
    state = read_stored(canary_object() | {"status": before}, None).state
    assert state == MADE
    written = write_status(state, before, target_kind="Deployment", generation=1)["conditions"]
    found = {condition["type"]: condition.get("reason") for condition in written}
    assert found.pop("Theirs", None) is None
    assert found == {"Promoted": "Succeeded", "Ready": "Reconciling"}


@pytest.mark.parametrize(
    ("metadata", "expected"), [({}, False), (DELETED, True), (DELETED | {"finalizers": [FINALIZER]}, False)]
)
def test_a_deleted_canary_is_gone_unless_it_waits_for_us(metadata: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert is_gone(with_metadata(**metadata)) is expected


MADE = State(phase=Phase.SUCCEEDED, revisions=FINISHED, identity=Identity("podinfo", "Deployment", "podinfo"))


def stored_as(state: State, **spec: Any) -> dict[str, Any]:
    return canary_object(**spec) | {"status": write_status(state, {}, target_kind="Deployment", generation=1)}


def test_objects_keep_the_names_that_they_were_made_under_until_these_are_followed() -> None:
    other = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "other"}
    obj = stored_as(MADE, targetRef=other, service={"name": "shop", "port": 80}, progressDeadlineSeconds=7)
    stored = read_stored(obj, None)
    assert stored.canary is not None
    assert Identity.of(stored.canary) == MADE.identity
    assert (stored.canary.spec.service.port, stored.canary.progress_deadline_s) == (80, 7), "the rest is followed"
    assert stored.renamed_to == Identity("other", "DaemonSet", "shop")
    assert stored.last_valid is not None
    assert stored.last_valid.apex_name == "shop"


def test_names_that_are_as_they_were_are_no_edit() -> None:
    assert read_stored(stored_as(MADE), None).renamed_to is None
    assert read_stored(stored_as(MADE, service={"name": "podinfo", "port": 80}), None).renamed_to is None
    assert read_stored(stored_as(State(phase=Phase.SUCCEEDED, revisions=FINISHED)), None).renamed_to is None


def test_an_invalid_spec_does_not_lead_to_other_names() -> None:
    edited = stored_as(MADE, targetRef={"kind": "Deployment", "name": "other"})
    edited["spec"]["analysis"]["threshold"] = "many"
    stored = read_stored(edited, None)
    assert stored.canary is not None
    assert (Identity.of(stored.canary), stored.renamed_to) == (MADE.identity, None)


@pytest.mark.parametrize("depth", [40, 900, 5_000])
def test_a_spec_that_is_nested_too_deep_is_invalid_and_stops_no_tick(depth: int) -> None:
    text = orjson.dumps(canary_object(service={"port": 80, "trafficPolicy": "DEEP"}))
    obj = loads(text.replace(b'"DEEP"', b'{"a":' * depth + b"1" + b"}" * depth))
    found = read_stored(obj, None)
    assert found.blocker is not None
    assert found.blocker.reason == "InvalidSpec"
    assert "at most 32 objects and lists in each other" in found.blocker.message
    assert found.canary is not None
    orjson.dumps(obj | {"status": write_status(found.state, None, target_kind="Deployment", generation=1)})


def test_a_spec_too_large_to_be_read_is_replaced_by_the_last_valid_one() -> None:
    valid = canary()
    obj = canary_object({"webhooks": [{"name": f"h{n}", "url": "http://a/"} for n in range(3_000)]})
    found = read_stored(obj, valid)
    assert (found.canary, found.last_valid) == (valid, valid)
    assert found.blocker is not None
    assert "spec.analysis.webhooks: found 3000 entries; allowed: at most 100" in found.blocker.message


def test_what_stands_in_a_canary_of_another_provider_is_nobodys_business_here() -> None:
    found = read_stored(canary_object({"metrics": "x" * 100_000}, provider="istio"), None)
    assert found.canary is None
    assert found.blocker is not None
    assert found.blocker.reason == "ProviderNotSupported"


def test_a_spec_that_stays_as_it_is_is_read_once_whatever_becomes_of_its_status() -> None:
    specs, obj = SpecReader(), canary_object()
    first = read_stored(stored_as(MADE), None, specs)
    again = read_stored(loads(orjson.dumps(stored_as(replace(MADE, phase=Phase.PROGRESSING)))), None, specs)
    assert again.state.phase is Phase.PROGRESSING
    assert again.canary is first.canary
    assert again.last_valid is first.last_valid
    edited = read_stored(canary_object(suspend=True) | {"status": stored_as(MADE)["status"]}, None, specs)
    assert edited.last_valid is not None
    assert edited.last_valid.spec.suspend
    requested = obj | {"metadata": obj["metadata"] | {"annotations": {"serin.dev/request": "pause"}}}
    asked = read_stored(requested, None, specs)
    assert asked.last_valid is not None
    assert asked.last_valid.annotations == {"serin.dev/request": "pause"}


def test_a_canary_gets_the_names_of_its_objects_though_its_spec_was_read_before_they_were_made() -> None:
    specs = SpecReader()
    edited = {"service": {"name": "shop", "port": 80}}
    assert read_stored(canary_object(**edited), None, specs).canary == read_stored(canary_object(**edited), None).canary
    named = read_stored(stored_as(MADE, **edited), None, specs)
    assert named.canary == read_stored(stored_as(MADE, **edited), None).canary
    assert named.canary is not None
    assert named.canary.apex_name == "podinfo"
