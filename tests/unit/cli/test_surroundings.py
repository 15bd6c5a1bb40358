"""What is around the command: completion in shells and in kubectl, and k9s."""

import logging
import re
import sys
from collections.abc import Callable, Iterator

import pytest
import yaml
from typer.main import get_command

from cli import kubectl_completion
from cli.app import app
from tests.support.cluster import REPOSITORY
from tests.unit.cli.cluster_api import ClusterApi
from tests.unit.cli.cluster_objects import canary

Completed = Callable[..., list[str]]


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Completed]:
    """What kubectl is told for TAB after these words."""
    for name in ("_SERIN_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
        monkeypatch.setenv(name, "")

    def complete(*words: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["kubectl_complete-serin", *words])
        kubectl_completion.main()
        return capsys.readouterr().out.splitlines()

    yield complete
    logging.disable(logging.NOTSET)  # which a completion leaves to its process, and others need theirs


def test_kubectl_completes_verbs_options_canaries_namespaces_and_contexts(
    api: ClusterApi, completed: Completed
) -> None:
    api.put("canaries", canary())
    api.put("canaries", canary("web"))
    api.put("canaries", canary("pay", namespace="prod"))
    for name in ("prod", "test"):
        api.objects["namespaces", "", name] = {"metadata": {"name": name}}
    assert completed("sta") == ["status", ":4"]
    assert completed("get", "") == ["podinfo", "web", ":4"]
    assert completed("abort", "p") == ["podinfo", ":4"]
    assert completed("status", "-n", "prod", "") == ["pay", ":4"]
    assert completed("status", "-n", "p") == ["prod", ":4"]
    assert completed("get", "--context", "") == ["prod", "test", ":4"]
    assert completed("get", "-o", "j") == ["json", ":4"]
    assert completed("get", "nobody") == [":4"]


def test_a_cluster_that_can_not_be_asked_offers_nothing(api: ClusterApi, completed: Completed) -> None:
    api.refused.add("canaries")
    assert completed("get", "") == [":4"]


def test_each_plugin_of_k9s_types_what_the_command_knows() -> None:
    plugins = yaml.safe_load((REPOSITORY / "cli" / "k9s-plugins.yaml").read_text())["plugins"]
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    typed = {}
    for name, plugin in plugins.items():
        line = " ".join(["serin", *plugin["args"]]).replace("serin -c serin", "serin").replace('"', "")
        match = re.search(r"serin (\w+) \$NAME -n \$NAMESPACE --context \$CONTEXT([^;|]*)", line)
        assert match is not None, line
        typed[name] = match[1]
        known = {option for parameter in verbs[match[1]].params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z]\S*", match[2])) <= known
        assert plugin["scopes"] == ["canaries"]
    assert set(typed.values()) == {"status", "get", "history", "promote", "abort", "pause", "resume", "undo"}
    assert len({plugin["shortCut"] for plugin in plugins.values()}) == len(plugins)
