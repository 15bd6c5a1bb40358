"""A translation that keeps what it can of the one before it is the same as one from scratch."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.gloo.snapshot import Snapshot
from sandbox.gloo.translate import translate
from sandbox.gloo.view import KINDS, ROUTE_TABLES, UPSTREAMS, DelayedView

Json = dict[str, Any]
NAMES = st.sampled_from(["a", "b"])


def _named(name: str, **rest: Any) -> Json:
    return {"metadata": {"name": name, "namespace": "conf"}} | rest


def _service(name: str, port: int) -> Json:
    return _named(name, spec={"ports": [{"name": "http", "port": port}]})


def _upstream(name: str, service: object, port: int) -> Json:
    return _named(name, spec={"kube": {"serviceName": service, "serviceNamespace": "conf", "servicePort": port}})


def _endpoint_slice(name: str, service: str, address: str) -> Json:
    found = _named(name, ports=[{"name": "http", "port": 8080}], endpoints=[{"addresses": [address]}])
    found["metadata"]["labels"] = {"kubernetes.io/service-name": service}
    return found


PORTS = st.sampled_from([80, 90])
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2"])
OBJECTS = st.one_of(
    st.tuples(st.just("services"), st.builds(_service, NAMES, PORTS)),
    st.tuples(st.just("upstreams"), st.builds(_upstream, NAMES, NAMES | st.just([]), PORTS)),
    st.tuples(st.just("endpoint_slices"), st.builds(_endpoint_slice, NAMES, NAMES, ADDRESSES)),
)
EDITS = st.lists(st.lists(st.tuples(OBJECTS, st.booleans()), min_size=1, max_size=4), min_size=2, max_size=6)


@given(EDITS)
def test_after_any_edits_it_is_what_it_is_from_scratch(moments: list[list[tuple[tuple[str, Json], bool]]]) -> None:
    found: dict[str, dict[tuple[str, str], Json]] = {
        "services": {("conf", name): _service(name, 80) for name in "ab"},
        "upstreams": {("conf", name): _upstream(name, name, 80) for name in "ab"},
        "endpoint_slices": {("conf", name): _endpoint_slice(name, name, "10.0.0.1") for name in "ab"},
    }
    before = translate(Snapshot(**found))
    for edits in moments:
        for (kind, item), is_gone in edits:
            key = ("conf", item["metadata"]["name"])
            if is_gone:
                found[kind].pop(key, None)
            else:
                found[kind][key] = item
        again, new = translate(Snapshot(**found), before), translate(Snapshot(**found))
        assert (again.clusters, again.statuses) == (new.clusters, new.statuses)
        before = again


def test_what_did_not_change_is_not_made_again() -> None:
    first = _upstream("a", "a", 80)
    snapshot = Snapshot(services={("conf", "a"): _service("a", 80)}, upstreams={("conf", "a"): first})
    before = translate(snapshot)
    other = Snapshot(
        services=snapshot.services, upstreams={("conf", "a"): first, ("conf", "b"): _upstream("b", "b", 80)}
    )
    after = translate(other, before)
    assert after.clusters["a_conf"] is before.clusters["a_conf"]


def test_of_the_visible_objects_some_alone() -> None:
    view = DelayedView()
    view.take_all({kind: {("conf", name): _named(name) for name in "ab"} for kind in KINDS})
    some = view.snapshot_of({(UPSTREAMS, ("conf", "a")), (ROUTE_TABLES, ("conf", "gone"))})
    assert some == Snapshot(upstreams={("conf", "a"): _named("a")})
    assert view.snapshot().services.keys() == {("conf", "a"), ("conf", "b")}
