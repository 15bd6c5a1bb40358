"""`serin get`: all canaries as a table, one as a tree, and both while they change."""

import asyncio
import json
import re

import pytest
import yaml

from cli.cluster.access import open_access
from cli.cluster.selection import ClusterOptions
from cli.get.command import get
from cli.outputs import Output
from tests.support.patience import PATIENCE_S
from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.cluster_objects import NEW, NEW_IMAGE, OLD, OLD_IMAGE, canary, deployment, pod
from tests.unit.cli.conftest import Serin

FAILED: Object = {
    "phase": "Failed",
    "canaryWeight": 0,
    "failedChecks": 5,
    "conditions": [{"type": "Ready", "status": "False", "reason": "InvalidSpec", "message": "spec.service is no"}],
}


def without_ages(text: str) -> str:
    return re.sub(r"\b(\d+d(\d+h)?|\d+h(\d+m)?|\d+m(\d+s)?)$", "AGE", text, flags=re.MULTILINE)


def in_run(api: ClusterApi) -> None:
    api.put("canaries", canary())
    api.put("deployments", deployment("podinfo-primary", OLD_IMAGE, revision=OLD))
    api.put("deployments", deployment("podinfo", NEW_IMAGE, replicas=1))
    for name in ("podinfo-primary-b", "podinfo-primary-a"):
        api.put("pods", pod(name, "podinfo-primary"))
    api.put("pods", pod("podinfo-x", "podinfo", waiting="CrashLoopBackOff", restarts=3))


def test_one_that_waits_for_its_turn_says_where_it_stands(api: ClusterApi, serin: Serin) -> None:
    queue = {"position": 3, "of": 12, "since": "2026-11-30T14:00:00Z"}
    api.put("canaries", canary(phase="Succeeded", canaryWeight=0, serin={"queue": queue}))
    [heading, line] = [row.split("  ") for row in serin("get", "-o", "wide").stdout.splitlines()]
    assert heading[0] == "NAME"
    assert "Succeeded (3 of 12 in the queue)" in line
    assert "its turn" in [cell.strip() for cell in line]


def test_all_canaries_of_the_contexts_namespace_are_a_table(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary("web", **FAILED))
    api.put("canaries", canary())
    api.put("canaries", canary("other", namespace="prod"))
    ran = serin("get")
    assert (ran.code, ran.stderr) == (0, "")
    assert without_ages(ran.stdout).splitlines() == [
        "NAME     PHASE        WEIGHT  FAILED  READY  REASON       REVISION          CHANGED",
        f"podinfo  Progressing  20/50   1/5     True   Reconciling  {NEW}  AGE",
        f"web      Failed       0       5/5     False  InvalidSpec  {NEW}  AGE",
    ]


def test_those_of_all_namespaces_name_them_and_wide_says_who_changed_what(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary("web", namespace="prod", serin={"waitingFor": ["confirm-promotion/gate"]}))
    api.put("canaries", canary())
    head, first, second = serin("get", "-A", "-o", "wide").stdout.splitlines()
    assert head.split()[:2] == ["NAMESPACE", "NAME"]
    assert first.split()[:2] == ["prod", "web"]
    assert second.split()[:2] == ["test", "podinfo"]
    assert "confirm-promotion/gate" in first
    assert second.endswith("podinfod image 6.0.0 -> 6.0.1, applied by alice")
    assert serin("get", "-n", "prod", "-o", "name").stdout == "canary.flagger.app/web\n"


def test_more_than_a_page_of_canaries_are_listed(api: ClusterApi, serin: Serin) -> None:
    for number in range(501):
        api.put("canaries", canary(f"c{number:03}"))
    assert len(serin("get", "-o", "name").stdout.splitlines()) == 501
    assert len([one for one in api.requests if "limit=500" in one]) == 2


def test_objects_for_programs_are_whole(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", {**canary(), "metadata": {"name": "podinfo", "managedFields": [{}]}})
    found = json.loads(serin("get", "-o", "json").stdout)
    assert found["kind"] == "List"
    assert [(obj["kind"], obj["status"]["phase"]) for obj in found["items"]] == [("Canary", "Progressing")]
    one = yaml.safe_load(serin("get", "podinfo", "-o", "yaml").stdout)
    assert one["spec"]["targetRef"]["name"] == "podinfo"
    assert "managedFields" not in one["metadata"]


def test_one_canary_is_a_tree_of_its_sides(api: ClusterApi, serin: Serin) -> None:
    in_run(api)
    ran = serin("get", "podinfo")
    new = serin("get", "podinfo", "-o", "name").stdout
    assert new == "canary.flagger.app/podinfo\n"
    assert without_ages(ran.stdout).splitlines() == [
        "test/podinfo  Progressing  weight 20/50  failed 1/5  Ready (Reconciling)  AGE",
        "  change podinfod image 6.0.0 -> 6.0.1, applied by alice",
        f"├── primary  80%  Deployment podinfo-primary  2/2  {OLD_IMAGE}  revision {OLD}",
        "│   ├── Pod podinfo-primary-a  1/1 Running  AGE",
        "│   └── Pod podinfo-primary-b  1/1 Running  AGE",
        f"└── canary   20%  Deployment podinfo  1/1  {NEW_IMAGE}  revision {NEW}",
        "    └── Pod podinfo-x  0/1 CrashLoopBackOff  3 restarts  AGE",
    ]


def test_old_pods_are_told_from_those_of_the_new_revision(api: ClusterApi, serin: Serin) -> None:
    in_run(api)
    target = deployment("podinfo", NEW_IMAGE)
    target["status"] = {"replicas": 3, "readyReplicas": 2, "updatedReplicas": 1}
    api.put("deployments", target)
    hashes = {"podinfo-x": ("2", "13:00:00"), "podinfo-old-a": ("1", "12:00:00"), "podinfo-old-b": ("1", "12:00:00")}
    for name, (label, at) in hashes.items():
        obj = pod(name, "podinfo", waiting="ErrImagePull" if name == "podinfo-x" else "")
        obj["metadata"]["labels"]["pod-template-hash"] = label
        obj["metadata"]["creationTimestamp"] = f"2026-11-30T{at}Z"
        api.put("pods", obj)
    assert without_ages(serin("get", "podinfo").stdout).splitlines()[-4:] == [
        f"└── canary   20%  Deployment podinfo  0/2  {NEW_IMAGE}  revision {NEW}  and 2 of an older revision",
        "    ├── Pod podinfo-old-a  1/1 Running  older revision  AGE",
        "    ├── Pod podinfo-old-b  1/1 Running  older revision  AGE",
        "    └── Pod podinfo-x  0/1 ErrImagePull  AGE",
    ]
    api.refused.add("pods")
    assert "Deployment podinfo  1/2" in serin("get", "podinfo").stdout


def test_a_step_that_pauses_the_run_is_told_in_words(api: ClusterApi, serin: Serin) -> None:
    in_run(api)
    api.update("canaries", "podinfo", serin={"waitingFor": ["pause/1"]})
    assert "Progressing (paused at step 1)  20/50" in serin("get").stdout
    assert "  somebody to resume step 1  " in serin("get", "-o", "wide").stdout
    assert "  waits for somebody to resume step 1" in serin("get", "podinfo").stdout.splitlines()


def test_a_side_that_is_not_there_and_pods_that_may_not_be_read_are_said(api: ClusterApi, serin: Serin) -> None:
    in_run(api)
    api.delete("deployments", "podinfo-primary")
    api.refused.add("pods")
    lines = serin("get", "podinfo").stdout.splitlines()
    assert "├── primary  80%  Deployment podinfo-primary: not there" in lines
    assert lines[-1].startswith('  no right: pods is forbidden: User "bob" cannot get resource "pods"')


async def test_a_watch_prints_each_canary_that_changes_across_broken_connections(
    api: ClusterApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.put("canaries", canary())
    api.put("canaries", canary("web"))
    api.drops = 1
    async with open_access(ClusterOptions()) as access:
        watch = asyncio.create_task(get(access, "", Output.TEXT, is_watched=True))
        await printed(capsys, "NAME", "podinfo  Progressing  20/50", "web      Progressing  20/50")
        api.update("canaries", "podinfo", canaryWeight=30)
        assert await printed(capsys, "podinfo  Progressing  30/50") == 1
        api.update("canaries", "podinfo", canaryWeight=40)
        assert await printed(capsys, "podinfo  Progressing  40/50") == 1
        watch.cancel()
        await asyncio.wait({watch})
    assert api.drops == 0


async def printed(capsys: pytest.CaptureFixture[str], *beginnings: str) -> int:
    """Wait until lines that begin so were printed; return the number of all that were."""
    seen: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while not all(any(line.startswith(begin) for line in seen) for begin in beginnings):
            await asyncio.sleep(0.02)
            seen += capsys.readouterr().out.splitlines()
    return len(seen)


def test_a_watch_prints_no_whole_objects(api: ClusterApi, serin: Serin) -> None:
    assert serin("get", "-w", "-o", "json") == (2, "", "serin: -w with -o json; allowed: -w with text or wide\n")


def test_no_canaries_at_all_is_said(api: ClusterApi, serin: Serin) -> None:
    assert serin("get") == (0, "", "serin: found no canaries in namespace test\n")
