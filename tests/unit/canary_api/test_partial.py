"""What is still known of a Canary whose spec is invalid: the names of its objects, and whether it is to be reverted."""

from typing import Any

import pytest

from canary.api.partial import parse_partial
from tests.support.canaries import canary_object


def test_names_are_read_whatever_the_analysis_says() -> None:
    obj = canary_object(service={"name": "shop", "port": 80, "timeout": 5}, revertOnDeletion=True)
    obj["spec"]["analysis"] = {"interval": 5, "metrics": "none"}
    bare = parse_partial(obj)
    assert bare is not None
    assert (bare.apex_name, bare.spec.service.port, bare.spec.target_ref.name) == ("shop", 80, "podinfo")
    assert bare.spec.revert_on_deletion
    assert bare.analysis is None


def test_a_misshapen_autoscaler_is_left_out() -> None:
    bare = parse_partial(canary_object(autoscalerRef={"name": 5}))
    assert bare is not None
    assert bare.spec.autoscaler_ref is None


@pytest.mark.parametrize("spec", [{"targetRef": {}}, {"targetRef": None}, {"service": {"port": "http"}}])
def test_without_names_nothing_is_known(spec: dict[str, Any]) -> None:
    assert parse_partial(canary_object(**spec)) is None
