"""What a VirtualService or a RouteTable delegates to."""

from typing import Any

import pytest

from render.gloo_delegation import read_delegation


def table(namespace: str, name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels}}


def service(*actions: dict[str, Any]) -> dict[str, Any]:
    routes = [{"delegateAction": action} for action in actions]
    return {"metadata": {"name": "vs", "namespace": "home"}, "spec": {"virtualHost": {"routes": routes}}}


def test_references_are_read_in_both_forms() -> None:
    found = read_delegation(
        service(
            {"ref": {"name": "a", "namespace": "one"}}, {"name": "b", "namespace": "two"}, {"ref": {"name": "c"}}, {}
        )
    )
    assert found.references == {("one", "a"), ("two", "b"), ("home", "c")}


def test_a_table_delegates_as_a_service_does() -> None:
    obj = {"metadata": {"name": "t", "namespace": "home"}, "spec": {"routes": [{"delegateAction": {"name": "a"}}, {}]}}
    assert read_delegation(obj).reaches(table("home", "a"))


@pytest.mark.parametrize(
    ("selector", "reached"),
    [
        ({"labels": {"team": "a"}}, table("home", "x", team="a", tier="web")),
        ({"labels": {"team": "a"}, "namespaces": ["*"]}, table("far", "x", team="a")),
        ({"labels": {"team": "a"}, "namespaces": ["far"]}, table("far", "x", team="a")),
        ({"namespaces": ["*"]}, table("far", "x")),
        ({"expressions": [{"key": "team", "operator": "In", "values": ["a"]}]}, table("home", "x", team="a")),
    ],
)
def test_a_selector_reaches_the_tables_of_its_labels_and_namespaces(
    selector: dict[str, Any], reached: dict[str, Any]
) -> None:
    assert read_delegation(service({"selector": selector})).reaches(reached)


@pytest.mark.parametrize("missed", [table("home", "x", team="b"), table("home", "x"), table("far", "x", team="a")])
def test_a_selector_reaches_no_other(missed: dict[str, Any]) -> None:
    assert not read_delegation(service({"selector": {"labels": {"team": "a"}}})).reaches(missed)
