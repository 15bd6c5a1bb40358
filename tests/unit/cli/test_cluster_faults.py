"""What can be wrong with the cluster or how it is named: one line each, and an exit code."""

from pathlib import Path

import pytest

from cli.cluster.access import open_access
from cli.cluster.resources import CANARIES
from cli.cluster.selection import ClusterOptions
from cli.cluster.watching import Query, watching
from kube.cache import Cache
from tests.unit.cli.cluster_api import ClusterApi, status, write_kubeconfig
from tests.unit.cli.cluster_objects import NEW, canary
from tests.unit.cli.conftest import Ran, Serin


def test_a_context_that_is_not_there_is_told_with_those_that_are(api: ClusterApi, serin: Serin) -> None:
    line = f"context 'stage' is not in {api.kubeconfig}; known: prod, test"
    assert serin("get", "--context", "stage") == Ran(2, "", f"serin: {line}\n")


def test_the_namespace_is_the_options_or_the_contexts_or_default(api: ClusterApi, serin: Serin) -> None:
    for namespace in ("default", "prod", "test"):
        api.put("canaries", canary(f"in-{namespace}", namespace=namespace))
    found = [
        serin("get", "-o", "name", *options).stdout
        for options in ((), ("--context", "prod"), ("--context", "prod", "-n", "prod"))
    ]
    assert [one.strip().rpartition("/")[2] for one in found] == ["in-test", "in-default", "in-prod"]


def test_several_kubeconfigs_are_one_and_the_first_one_counts(
    api: ClusterApi, serin: Serin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_kubeconfig(tmp_path / "other", "http://127.0.0.1:1")
    other.write_text(other.read_text().replace('"prod"', '"stage"').replace('"current-context": "test"', '"x": 1'))
    monkeypatch.setenv("KUBECONFIG", f"/nowhere:{api.kubeconfig}:{other}")
    api.put("canaries", canary())
    assert serin("get", "-o", "name").stdout == "canary.flagger.app/podinfo\n"
    assert serin("get", "--context", "x").stderr.endswith("known: prod, stage, test\n")
    assert serin("get", "--kubeconfig", str(other), "--context", "stage").code == 6


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", "can't read {path}: it is no YAML"),
        ("- 1", "can't use {path}: found no kubeconfig; allowed: an object of kind Config"),
        ("{}", "no current context in {path}; name one with --context: none"),
    ],
)
def test_a_kubeconfig_that_can_not_be_used_is_told(tmp_path: Path, serin: Serin, text: str, line: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    assert serin("get", "--kubeconfig", str(path)) == Ran(6, "", f"serin: {line.format(path=path)}\n")


def test_no_kubeconfig_at_all_is_told(serin: Serin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    ran = serin("get")
    assert ran.code == 6
    assert ran.stderr == "serin: found no kubeconfig: neither --kubeconfig, KUBECONFIG nor ~/.kube/config is there\n"
    ran = serin("get", "--kubeconfig", "nowhere")
    assert ran == Ran(6, "", "serin: can't read nowhere: No such file or directory\n")


def test_an_exec_plugin_gives_the_token_and_one_that_fails_is_told(
    api: ClusterApi, serin: Serin, tmp_path: Path
) -> None:
    api.put("canaries", canary())
    answer = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"sesame"}}'
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho '{answer}'\n")
    plugin.chmod(0o755)
    exec_ = f'{{"exec": {{"apiVersion": "client.authentication.k8s.io/v1", "command": "{plugin}"}}}}'
    path = tmp_path / "config"
    path.write_text(api.kubeconfig.read_text().replace('{"token": "sesame"}', exec_))
    assert serin("get", "--kubeconfig", str(path), "-o", "name").stdout == "canary.flagger.app/podinfo\n"
    assert api.tokens == {"Bearer sesame"}
    plugin.write_text("#!/bin/sh\necho log in first >&2\nexit 3\n")
    ran = serin("get", "--kubeconfig", str(path))
    assert ran.code == 6
    assert ran.stderr == f"serin: can't use {path}: exec: process returned 3. log in first\n"


def test_missing_rights_name_verb_and_resource(api: ClusterApi, serin: Serin) -> None:
    api.refused.add("canaries")
    ran = serin("get")
    assert ran.code == 6
    assert ran.stderr == (
        'serin: no right: canaries is forbidden: User "bob" cannot get resource "canaries" in API group "" in the '
        'namespace "test"; `kubectl auth can-i --list` shows those you have\n'
    )


def test_what_the_api_server_says_moves_no_cursor(api: ClusterApi, serin: Serin) -> None:
    api.answers["GET /apis/flagger.app"] = lambda *_: status(403, "Forbidden", "no\n\x1b]0;pwned\x07")
    ran = serin("get")
    assert ran == Ran(6, "", "serin: no right: no �]0;pwned�; `kubectl auth can-i --list` shows those you have\n")


def test_what_may_not_be_watched_ends_the_verb(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary())
    api.refused.add("events")
    ran = serin("events", "-w")
    assert (ran.code, ran.stdout) == (6, "")
    assert ran.stderr.startswith('serin: no right: events is forbidden: User "bob" cannot get resource "events"')
    assert ran.stderr.count("\n") == 1


def test_an_answer_that_may_not_be_watched_for_is_not_taken_for_a_silent_agent(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary())
    api.unlisted.add("canaries")
    ran = serin("abort", "podinfo")
    assert ran.code == 6
    assert ran.stderr.startswith("serin: no right: canaries is forbidden")
    assert ran.stderr.endswith(f"; abort@{NEW} was written, and is answered all the same\n")
    assert api.get("canaries", "podinfo")["metadata"]["annotations"] == {"serin.dev/request": f"abort@{NEW}"}


def test_a_right_that_is_taken_away_meanwhile_ends_the_verb(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary())
    api.drops = 1  # the watch breaks off after its first event, and may not be opened again

    def take_away() -> None:
        api.refused.add("canaries")
        api.put("canaries", canary(canaryWeight=30))

    api.on_watch = take_away
    ran = serin("get", "-w")
    assert ran.code == 6
    assert ran.stderr.splitlines()[-1].startswith("serin: no right: canaries is forbidden")


async def watch_canaries() -> None:
    async with open_access(ClusterOptions()) as access, watching(access.client, Query(CANARIES, "test")) as watched:
        async for _ in watched.changes():
            pass


async def test_what_watches_does_not_die_in_silence(api: ClusterApi, monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(_: Cache) -> None:
        raise RuntimeError("of nothing foreseen")

    monkeypatch.setattr(Cache, "run", die)
    with pytest.raises(RuntimeError, match="of nothing foreseen"):
        await watch_canaries()


def test_a_cluster_without_the_crds_is_told(api: ClusterApi, serin: Serin) -> None:
    api.unserved.add("canaries")
    for arguments in (["get"], ["get", "podinfo"], ["status", "podinfo"], ["abort", "podinfo"]):
        ran = serin(*arguments)
        assert ran.code == 6
        assert "does not serve canaries of flagger.app/v1beta1: is Serin installed there?" in ran.stderr


def test_an_api_server_that_is_away_is_told(serin: Serin, tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    ran = serin("get", "--kubeconfig", str(path))
    assert ran == Ran(6, "", "serin: can't reach the API server http://127.0.0.1:1: Connection refused\n")


@pytest.mark.parametrize("verb", ["get", "status", "promote", "abort", "pause", "resume", "retry", "skip"])
def test_no_such_canary_is_told_with_names_like_it(api: ClusterApi, serin: Serin, verb: str) -> None:
    api.put("canaries", canary("podinfo"))
    ran = serin(verb, "podnifo")
    assert ran == Ran(2, "", "serin: found no canary podnifo in namespace test; did you mean podinfo?\n")


def test_a_canary_of_another_namespace_is_found_there(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary("web", namespace="prod"))
    line = "found no canary web in namespace test; there is one in prod: -n prod"
    assert serin("status", "web") == Ran(2, "", f"serin: {line}\n")
    line = "found no canary other in namespace test, which has none at all; `serin get -A` shows all"
    assert serin("status", "other") == Ran(2, "", f"serin: {line}\n")


def test_a_name_that_no_canary_can_have_is_told(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary())
    allowed = "allowed: the name of a Canary, of small letters, digits, - and ."
    for verb in ("status", "get", "events", "abort"):
        assert serin(verb, "Pod Info") == Ran(2, "", f"serin: NAME: found 'Pod Info'; {allowed}\n")
    line = "found no canary two in namespace test, which has 1 other; `serin get -A` shows all"
    assert serin("status", "two") == Ran(2, "", f"serin: {line}\n")


@pytest.mark.parametrize(
    ("found", "wrong", "missing"),
    [('"user": "u"', '"user": "zz"', "user zz"), ('"cluster": "c"', '"cluster": "y"', "cluster y")],
)
def test_a_context_that_names_what_is_not_there_is_told(
    api: ClusterApi, serin: Serin, tmp_path: Path, found: str, wrong: str, missing: str
) -> None:
    path = tmp_path / "config"
    path.write_text(api.kubeconfig.read_text().replace(found, wrong))
    ran = serin("get", "--kubeconfig", str(path))
    assert ran == Ran(6, "", f"serin: {missing} is not in {path} (context test)\n")


def test_a_name_with_all_namespaces_is_told(api: ClusterApi, serin: Serin) -> None:
    line = "a NAME with -A; allowed: a NAME with -n, or -A without one"
    assert serin("get", "podinfo", "-A") == Ran(2, "", f"serin: {line}\n")
