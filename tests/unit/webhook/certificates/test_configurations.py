"""The patch of a configuration touches the caBundles that differ, and nothing that changed meanwhile."""

import pytest

from tests.support.json_patch import apply_patch
from webhook.certificates.configurations import bundle_patch


def entry(name: str, **client: str) -> dict[str, object]:
    return {"name": name, "clientConfig": {"service": {"name": "serin-webhook"}, **client}}


def test_each_entry_that_differs_is_patched_under_its_name_and_what_it_held() -> None:
    found = {"metadata": {}, "webhooks": [entry("a"), entry("b", caBundle="new"), entry("c", caBundle="old")]}
    patch = bundle_patch(found, "new")
    assert patch == [
        {"op": "test", "path": "/webhooks/0/name", "value": "a"},
        {"op": "test", "path": "/webhooks/0/clientConfig/caBundle", "value": None},
        {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "new"},
        {"op": "test", "path": "/webhooks/2/name", "value": "c"},
        {"op": "test", "path": "/webhooks/2/clientConfig/caBundle", "value": "old"},
        {"op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": "new"},
    ]
    patched = apply_patch(found, patch[3:])
    assert patched["webhooks"][2] == entry("c", caBundle="new")


def test_nothing_is_patched_where_nothing_differs() -> None:
    assert bundle_patch({"metadata": {}, "webhooks": [entry("a", caBundle="new")]}, "new") == []
    assert bundle_patch({"metadata": {"name": "serin-webhook"}}, "new") == []


@pytest.mark.parametrize("annotation", ["inject-ca-from", "inject-ca-from-secret"])
def test_what_cert_manager_is_asked_to_fill_is_left_to_it(annotation: str) -> None:
    found = {"metadata": {"annotations": {f"cert-manager.io/{annotation}": "a/b"}}, "webhooks": [entry("a")]}
    assert bundle_patch(found, "new") == []
    found["metadata"] = {"annotations": {"cert-manager.io/issuer": "a"}}
    assert bundle_patch(found, "new") != []
