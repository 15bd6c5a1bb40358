"""The kubelet stand-in on the sandbox: pods as users write them, seen through the API server and kubectl."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.api import Api, ApiError
from sandbox.paths import bin_dir
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.patience import PATIENCE_S

_NOT_FOUND = 404
_DEFAULT_GRACE_S = 30.0
_PODINFO = "stefanprodan/podinfo:3.1.0"

Json = dict[str, Any]


@dataclass
class Place:
    """A namespace of the cluster, for one test's pods."""

    api: Api
    name: str
    kubeconfig: Path

    def path(self, plural: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    async def create(self, plural: str, name: str, **fields: Any) -> Json:
        return await self.api.create(self.path(plural), {"metadata": {"name": name}, **fields})

    async def run(self, name: str, container: Json | None = None, **spec: Any) -> Json:
        """Create a pod of one container (podinfo's image, so that its tools are on PATH)."""
        containers = [{"name": "main", "image": _PODINFO} | (container or {})]
        return await self.create("pods", name, spec={"containers": containers} | spec)

    async def until(
        self, plural: str, name: str, holds: Callable[[Json], bool], *, within_s: float = PATIENCE_S
    ) -> Json:
        """Return the object once it is there and `holds` is true of it; fails with what was seen last."""
        return await eventually(
            lambda: self.read(plural, name), lambda seen: bool(seen) and holds(seen), within_s=within_s
        )

    async def read(self, plural: str, name: str) -> Json:
        """The object, or nothing when there is none."""
        try:
            return await self.api.get(self.path(plural, name))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return {}

    async def gone(self, name: str) -> None:
        await eventually(lambda: self.read("pods", name), lambda pod: not pod)

    async def ended(self, name: str, *, within_s: float = PATIENCE_S) -> Json:
        phases = {"Succeeded", "Failed"}
        return await self.until("pods", name, lambda pod: pod["status"]["phase"] in phases, within_s=within_s)

    async def ready(self, name: str) -> Json:
        return await self.until("pods", name, is_ready)

    async def kubectl(self, *arguments: str) -> str:
        process = await self.start_kubectl(*arguments)
        out, _ = await process.communicate()
        return out.decode()

    async def start_kubectl(self, *arguments: str) -> asyncio.subprocess.Process:
        """The same, not waited for, its output piped."""
        command = (
            str(bin_dir() / "kubectl"),
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={self.name}",
            *arguments,
        )
        return await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )


def is_ready(pod: Json) -> bool:
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in pod["status"].get("conditions", ()))


def main_status(pod: Json) -> Json:
    return next(iter(pod["status"].get("containerStatuses", ())), {"state": {}, "restartCount": 0})


def waiting(pod: Json) -> Json:
    """The reason and message for which the container waits."""
    found: Json = main_status(pod)["state"].get("waiting", {})
    return found


def shell(script: str, **fields: Any) -> Json:
    return {"command": ["sh", "-c", script]} | fields


@pytest.fixture
async def place(cluster: Cluster, namespace: str) -> AsyncIterator[Place]:
    async with Api.from_kubeconfig(cluster.kubeconfig) as api:
        found = Place(api, namespace, cluster.kubeconfig)
        await found.until("serviceaccounts", "default", bool)  # made a little later than its namespace
        yield found


async def test_a_ready_podinfo_is_reachable_at_its_address(place: Place) -> None:
    await place.run(
        "web",
        {
            "command": ["./podinfo", "--port=9898", "--grpc-port=9999"],
            "ports": [{"name": "http", "containerPort": 9898}],
            "startupProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
            "readinessProbe": {"httpGet": {"port": "http", "path": "/readyz"}, "periodSeconds": 1},
            "livenessProbe": {
                "grpc": {"port": 9999, "service": "podinfo"},
                "periodSeconds": 1,
                "timeoutSeconds": 20,
                "failureThreshold": 1,
            },
        },
    )
    pod = await place.ready("web")
    await asyncio.sleep(2.0)  # two more liveness probes
    pod = await place.ready("web")
    assert main_status(pod)["restartCount"] == 0
    assert pod["status"]["podIP"].startswith("10.244.")


async def test_environment_of_a_container(place: Place) -> None:
    await place.create("configmaps", "colours", data={"sky": "blue", "grass": "green"})
    await place.create("secrets", "hidden", stringData={"password": "swordfish"})
    await place.run(
        "env",
        shell(
            "env",
            envFrom=[{"prefix": "C_", "configMapRef": {"name": "colours"}}],
            resources={"limits": {"cpu": "1500m", "memory": "64Mi"}},
            args=[],
            env=[
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "password"}}},
                {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "no", "optional": True}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "TEXT", "value": "I am $(NAME), $$(NAME), $(UNKNOWN)"},
            ],
        ),
        restartPolicy="Never",
    )
    pod = await place.ended("env")
    lines = set((await place.kubectl("logs", "env")).splitlines())
    assert lines >= {
        "C_sky=blue",
        "C_grass=green",
        "NAME=env",
        f"IP={pod['status']['podIP']}",
        "PASSWORD=swordfish",
        "CPU=2",
        "TEXT=I am env, $(NAME), $(UNKNOWN)",
        "HOSTNAME=env",
        "KUBERNETES_SERVICE_HOST=10.96.0.1",
    }
    assert not any(line.startswith("NONE=") for line in lines)


async def test_volumes_of_all_kinds(place: Place) -> None:
    await place.create("configmaps", "files", data={"a.txt": "A", "b.txt": "B"})
    await place.create("secrets", "hidden", stringData={"key": "K"})
    script = """
        cd /etc/podinfo
        ls config; cat config/sub/b; stat -Lc %a config/sub/b; cat all/key all/labels; echo
        cat /opt/one/a.txt; echo
        touch config/x 2>&1 | grep -o 'Read-only'
        echo hi > /cache/memory/x; df /cache/memory | grep -o tmpfs
        cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo
        cut -d. -f1 all/token | base64 -d 2>&1 | grep -o alg
        grep -c search /etc/resolv.conf; grep db.example /etc/hosts; hostname; cat /etc/hostname
        find /tmp -maxdepth 1 -type f | wc -l; cat /made/deep/f
    """
    config = {"name": "files", "items": [{"key": "b.txt", "path": "sub/b", "mode": 0o400}]}
    projected = [
        {"secret": {"name": "hidden"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels['app']"}}]}},
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600, "audience": "x"}},
    ]
    mounts = [
        {"name": "config", "mountPath": "/etc/podinfo/config"},
        {"name": "all", "mountPath": "/etc/podinfo/all"},
        {"name": "plain", "mountPath": "/opt/one/a.txt", "subPath": "a.txt"},
        {"name": "memory", "mountPath": "/cache/memory"},
        {"name": "host", "mountPath": "/made"},
    ]
    init = {"name": "init", "image": _PODINFO, "command": ["sh", "-c", "mkdir /m/deep; echo made > /m/deep/f"]}
    pod = {
        "metadata": {"name": "volumes", "labels": {"app": "label-value"}},
        "spec": {
            "restartPolicy": "Never",
            "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["db.example"]}],
            "initContainers": [init | {"volumeMounts": [{"name": "host", "mountPath": "/m"}]}],
            "containers": [{"name": "main", "image": _PODINFO, "volumeMounts": mounts} | shell(script)],
            "volumes": [
                {"name": "config", "configMap": config},
                {"name": "plain", "configMap": {"name": "files"}},
                {"name": "all", "projected": {"sources": projected}},
                {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "host", "emptyDir": {}},
            ],
        },
    }
    await place.api.create(place.path("pods"), pod)
    await place.ended("volumes")
    assert (await place.kubectl("logs", "volumes")).split() == [
        *("sub", "B400", "Klabel-value", "A", "Read-only", "tmpfs", place.name, "alg", "1"),
        *("1.2.3.4", "db.example", "volumes", "volumes", "0", "made"),
    ]


async def test_a_changed_config_map_is_seen_without_a_look_at_it(place: Place) -> None:
    """The node watches it; a kubelet looks once a minute."""
    await place.create("configmaps", "live", data={"value": "old"})
    script = "while ! grep -q new /live/value; do sleep 0.02; done; ls /live; cat /live/more"
    await place.run(
        "live",
        shell(script, volumeMounts=[{"name": "live", "mountPath": "/live"}]),
        volumes=[{"name": "live", "configMap": {"name": "live"}}],
        restartPolicy="Never",
    )
    await place.until("pods", "live", lambda pod: pod["status"]["phase"] == "Running")
    await place.api.merge_patch(place.path("configmaps", "live"), {"data": {"value": "new", "more": "M"}})
    await place.ended("live", within_s=20.0)
    assert (await place.kubectl("logs", "live")).split() == ["more", "value", "M"]


async def test_a_missing_config_map_is_told_and_mended(place: Place) -> None:
    env = [{"name": "V", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "v"}}}]
    await place.run("late", shell("echo got $V", env=env), restartPolicy="Never")
    pod = await place.until("pods", "late", lambda pod: "message" in waiting(pod))
    assert waiting(pod) == {
        "reason": "CreateContainerConfigError",
        "message": f'configmap "{place.name}/late" not found',
    }
    await place.create("configmaps", "late", data={"v": "it"})
    await place.ended("late")
    assert await place.kubectl("logs", "late") == "got it\n"


async def test_init_containers_run_in_order_and_a_sidecar_ends_after_the_rest(place: Place) -> None:
    mount = [{"name": "v", "mountPath": "/v"}]
    say = "trap 'echo bye; exit 0' TERM; echo up > /v/side; while true; do sleep 0.05; done"

    def init(name: str, script: str, **fields: Any) -> Json:
        return {"name": name, "image": _PODINFO, "volumeMounts": mount} | shell(script) | fields

    await place.run(
        "inits",
        shell("cat /v/one /v/side /v/two", volumeMounts=mount),
        initContainers=[
            init("one", "echo 1 > /v/one"),
            init("side", say, restartPolicy="Always", startupProbe={"exec": {"command": ["test", "-f", "/v/side"]}}),
            init("two", "cat /v/one /v/side > /v/two"),
        ],
        volumes=[{"name": "v", "emptyDir": {}}],
        restartPolicy="Never",
    )
    pod = await place.ended("inits")
    assert pod["status"]["phase"] == "Succeeded"
    assert [entry["ready"] for entry in pod["status"]["initContainerStatuses"]] == [True, False, True]
    assert (await place.kubectl("logs", "inits")).split() == ["1", "up", "1", "up"]
    assert await place.kubectl("logs", "inits", "-c", "side") == "bye\n"


async def test_exit_codes_restarts_and_back_off(place: Place) -> None:
    await place.run("fails", shell("echo dying; exit 3"), restartPolicy="Never")
    await place.run("killed", shell("sh -c 'kill -9 $$$$'; exit $?"), restartPolicy="Never")
    await place.run("missing", {"command": ["no-such-command"]}, restartPolicy="Never")
    await place.run("crashes", shell("echo run; exit 1"))
    failed = await place.ended("fails")
    assert (failed["status"]["phase"], main_status(failed)["state"]["terminated"]["exitCode"]) == ("Failed", 3)
    assert main_status(failed)["state"]["terminated"]["reason"] == "Error"
    assert main_status(await place.ended("killed"))["state"]["terminated"]["exitCode"] == 137
    missing = main_status(await place.ended("missing"))["state"]["terminated"]
    assert (missing["exitCode"], missing["reason"]) == (128, "StartError")
    assert missing["message"] == 'exec: "no-such-command": executable file not found in $PATH'
    crashed = await place.until("pods", "crashes", lambda pod: waiting(pod).get("reason") == "CrashLoopBackOff")
    assert main_status(crashed)["lastState"]["terminated"]["exitCode"] == 1
    assert crashed["status"]["phase"] == "Running"
    assert await place.kubectl("logs", "crashes", "--previous") == "run\n"


async def test_a_liveness_probe_restarts_its_container(place: Place) -> None:
    probe = {"exec": {"command": ["test", "!", "-f", "/tmp/sick"]}, "periodSeconds": 1, "failureThreshold": 1}
    script = "trap 'echo stopping; exit 0' TERM; sleep 0.3; touch /tmp/sick; while true; do sleep 0.05; done"
    await place.run("sick", shell(script, livenessProbe=probe))
    pod = await place.until("pods", "sick", lambda pod: main_status(pod)["restartCount"] == 1)
    assert main_status(pod)["lastState"]["terminated"]["exitCode"] == 0
    assert await place.kubectl("logs", "sick", "--previous") == "stopping\n"
    described = await place.kubectl("describe", "pod", "sick")
    assert "Container main failed liveness probe, will be restarted" in described
    assert "Unhealthy" in described


async def test_a_failing_readiness_probe_takes_the_pod_out_but_does_not_restart_it(place: Place) -> None:
    probe = {"exec": {"command": ["test", "-f", "/v/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    script = "touch /v/ok; while ! grep -q sick /mood/today; do sleep 0.05; done; rm /v/ok; sleep 600"
    mounts = [{"name": "v", "mountPath": "/v"}, {"name": "mood", "mountPath": "/mood"}]
    await place.create("configmaps", "mood", data={"today": "well"})
    await place.run(
        "moody",
        shell(script, readinessProbe=probe, volumeMounts=mounts),
        volumes=[{"name": "v", "emptyDir": {}}, {"name": "mood", "configMap": {"name": "mood"}}],
        terminationGracePeriodSeconds=0,
    )
    await place.ready("moody")
    await place.api.merge_patch(place.path("configmaps", "mood"), {"data": {"today": "sick"}})
    pod = await place.until("pods", "moody", lambda pod: not is_ready(pod))
    assert main_status(pod)["restartCount"] == 0
    assert "running" in main_status(pod)["state"]


async def test_a_deleted_pod_gets_its_hook_its_signal_and_its_grace(place: Place) -> None:
    await place.create("pods", "watcher", spec={"containers": [{"name": "main", "image": _PODINFO}]})
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/1"]}}}
    script = "trap 'echo term; sleep 0.5; echo done; exit 7' TERM; echo up; while true; do sleep 0.05; done"
    await place.run("graceful", shell(script, lifecycle=hook))
    deaf = "trap '' TERM; echo up; while true; do sleep 0.05; done"
    await place.run("stubborn", shell(deaf), terminationGracePeriodSeconds=1)
    followed = []
    for name in ("graceful", "stubborn"):
        await place.ready(name)
        process = await place.start_kubectl("logs", "-f", name)
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert await process.stdout.readline() == b"up\n"
        followed.append(process)
    begin_s = time.monotonic()
    for name in ("graceful", "stubborn"):
        await place.api.delete(place.path("pods", name))
    said = [(await process.communicate())[0].split() for process in followed]
    assert said == [[b"hook", b"term", b"done"], []]
    for name, least_s in (("graceful", 0.5), ("stubborn", 1.0)):
        await place.gone(name)
        assert least_s < time.monotonic() - begin_s < _DEFAULT_GRACE_S


async def test_an_unknown_image_waits_like_one_that_can_not_be_pulled(place: Place) -> None:
    await place.run("bad", {"image": "example.com/nobody/knows:1"})
    pod = await place.until("pods", "bad", lambda pod: waiting(pod).get("reason") == "ImagePullBackOff")
    assert "example.com/nobody/knows:1" in waiting(pod)["message"]
    assert pod["status"]["phase"] == "Pending"


async def test_logs_by_tail_time_and_limit(place: Place) -> None:
    await place.run("talks", shell("for i in 1 2 3 4; do echo line $i; done"), restartPolicy="Never")
    await place.ended("talks")
    assert await place.kubectl("logs", "talks", "--tail=2") == "line 3\nline 4\n"
    assert await place.kubectl("logs", "talks", "--limit-bytes=6") == "line 1"
    stamped = (await place.kubectl("logs", "talks", "--timestamps", "--tail=1")).split()
    assert stamped[1:] == ["line", "4"]
    assert stamped[0].endswith("Z")
    assert await place.kubectl("logs", "talks", "--since-time=2100-01-01T00:00:00Z") == ""


async def test_hollow_pods_are_ready_without_a_process(place: Place) -> None:
    for number in range(50):
        await place.create("pods", f"h{number}", spec={"containers": [{"name": "main", "image": "hollow"}]})
    for number in range(50):
        await place.ready(f"h{number}")
    await place.kubectl("delete", "pods", "--all", "--wait=true")
    assert await place.kubectl("get", "pods", "--output=name") == ""


async def test_a_node_that_was_given_up_for_dead_is_ready_again(place: Place) -> None:
    """As on a machine that stood still for longer than the node's Lease."""
    path = "/api/v1/nodes/sandbox"
    conditions = (await place.api.get(path))["status"]["conditions"]
    given_up = [condition | {"status": "Unknown", "reason": "NodeStatusUnknown"} for condition in conditions]

    def is_ready(node: Json) -> bool:
        is_tainted = any(taint["effect"] == "NoExecute" for taint in node["spec"].get("taints") or ())
        return not is_tainted and any(
            condition["type"] == "Ready" and condition["status"] == "True" for condition in node["status"]["conditions"]
        )

    written = await place.api.merge_patch(f"{path}/status", {"status": {"conditions": given_up}})
    assert not is_ready(written)
    await eventually(lambda: place.api.get(path), is_ready, within_s=60.0)
