"""The sandbox's gateway under test: the recorded cases' surroundings for real, and looks at all sides of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp

from sandbox.api import Api, ApiError
from sandbox.gloo.delays import IN_FORCE, SWITCH, SWITCH_KEY
from sandbox.gloo.reports import PROXY
from tests.support import gloo_cases
from tests.support.cluster import Cluster
from tests.support.envoy import until

Json = dict[str, Any]

_GROUPS = {
    "VirtualService": "/apis/gateway.solo.io/v1",
    "RouteTable": "/apis/gateway.solo.io/v1",
    "Upstream": "/apis/gloo.solo.io/v1",
    "Service": "/api/v1",
    "Deployment": "/apis/apps/v1",
}
_SWITCHES_PATH = "/api/v1/namespaces/gloo-system/configmaps"
_TABLES_PATH = f"/apis/gateway.solo.io/v1/namespaces/{gloo_cases.NAMESPACE}/routetables"
_TABLE_PATH = f"{_TABLES_PATH}/app"
_NOT_FOUND = 404
_SETTLED_S = 2.0  # longer than a whole cycle of statuses


@dataclass(frozen=True)
class Version:
    """RouteTable `app` as it was stored once: its resourceVersion, the proxy's entry in its status, when we heard."""

    number: int
    entry: Json | None
    at_s: float


@dataclass(frozen=True)
class SandboxGloo:
    """`gateway` is the gateway's URL on the host; `versions` are all those of RouteTable `app`, as they come."""

    api: Api
    session: aiohttp.ClientSession
    gateway: str
    versions: list[Version] = field(default_factory=list)

    async def put(self, item: Json) -> None:
        """Create `item`, in place of one of that name."""
        await self.remove(item)
        await self.api.create(_collection(item), item)

    async def remove(self, item: Json) -> None:
        try:
            await self.api.delete(f"{_collection(item)}/{item['metadata']['name']}")
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise

    async def put_case(self, case: str) -> None:
        """The objects of one recorded case, and none of any other."""
        for kind in ("VirtualService", "RouteTable"):
            for name in ("app", "admin", "neighbour"):
                await self.remove({"kind": kind, "metadata": {"name": name, "namespace": gloo_cases.NAMESPACE}})
        for item in gloo_cases.objects(case):
            await self.put(item)

    async def settle_case(self, case: str) -> None:
        """`put_case`, then wait until Gloo has nothing more to say about it."""
        await self.put_case(case)
        recorded = gloo_cases.recording(case)["statuses"]
        is_settled = False
        while not is_settled:
            before = await self.table_number()
            await until(lambda: self.statuses(case), recorded.__eq__)
            await asyncio.sleep(_SETTLED_S)
            is_settled = await self.table_number() == before

    async def change_routes(self, case: str) -> int:
        """Set the routes of another case on the RouteTable `app`; return the number of its new version."""
        table = next(item for item in gloo_cases.objects(case) if item["kind"] == "RouteTable")
        return _number(await self.api.merge_patch(_TABLE_PATH, {"spec": table["spec"]}))

    def versions_after(self, number: int) -> list[Version]:
        return [version for version in self.versions if version.number > number]

    async def acknowledgement(self, number: int) -> tuple[Version, Version]:
        """The two versions that Gloo writes after that one: with the proxy's entry emptied, then filled again."""

        async def later() -> list[Version]:
            return self.versions_after(number)

        found = await until(later, lambda versions: len(versions) >= 2)
        assert len(found) == 2, found
        emptied, filled = found
        assert emptied.entry == {}
        assert filled.entry
        return emptied, filled

    async def statuses(self, case: str) -> Json:
        """As recorded: plural/name to state, reason and proxy; an object without status yet is None."""
        by_name: Json = {}
        for item in gloo_cases.objects(case):
            stored = await self.api.get(f"{_collection(item)}/{item['metadata']['name']}")
            status = stored["status"]["statuses"].get("gloo-system")
            plural = item["kind"].lower() + "s"
            by_name[f"{plural}/{item['metadata']['name']}"] = status and gloo_cases.recorded_status(status)
        return by_name

    async def virtual_hosts(self) -> list[Json]:
        """What Envoy itself says that it routes by."""
        dump = await self._envoy("config_dump?resource=dynamic_route_configs")
        return gloo_cases.recorded_form(dump["configs"][0]["route_config"].get("virtual_hosts", []))

    async def hosts(self, cluster: str) -> list[str]:
        """The addresses that Envoy has for one cluster."""
        clusters = (await self._envoy("clusters?format=json"))["cluster_statuses"]
        hosts: list[Json] = next((entry.get("host_statuses", []) for entry in clusters if entry["name"] == cluster), [])
        return sorted(host["address"]["socket_address"]["address"] for host in hosts)

    async def refusals(self) -> int:
        stats = await self._envoy("stats?format=json&filter=rds.listener.*update_rejected")
        return int(stats["stats"][0]["value"])

    async def side(self) -> str:
        """Which side answers a request: primary or canary, or the status code of a failure."""
        headers = {"Host": "app.example.com"}
        async with self.session.get(f"{self.gateway}/", headers=headers) as response:
            if response.status != 200:
                return str(response.status)
            return str((await response.json())["message"])

    async def follow_table(self, resource_version: str) -> None:
        """Fill `versions`, for ever: an entry that is empty for a second only is not missed so."""
        while True:
            async for event in self.api.watch(_TABLES_PATH, resource_version=resource_version):
                item = event["object"]
                resource_version = item["metadata"]["resourceVersion"]
                if event["type"] in {"ADDED", "MODIFIED"} and item["metadata"]["name"] == "app":
                    self.versions.append(Version(_number(item), _proxy_entry(item), asyncio.get_running_loop().time()))

    @asynccontextmanager
    async def switched(self, word: str) -> AsyncIterator[None]:
        """Gloo with other delays while inside."""
        body = {"metadata": {"name": SWITCH}, "data": {SWITCH_KEY: word}}
        await self.api.create(_SWITCHES_PATH, body)
        try:
            await until(self._word_in_force, word.__eq__)
            yield
        finally:
            await self.api.delete(f"{_SWITCHES_PATH}/{SWITCH}")

    async def _word_in_force(self) -> str:
        switch = await self.api.get(f"{_SWITCHES_PATH}/{SWITCH}")
        return str(switch["metadata"].get("annotations", {}).get(IN_FORCE, ""))

    async def table_number(self) -> int:
        """That of RouteTable `app` as it is stored now."""
        return _number(await self.api.get(_TABLE_PATH))

    async def _envoy(self, page: str) -> Json:
        pods = await self.api.get("/api/v1/namespaces/gloo-system/pods", label_selector="gloo=gateway-proxy")
        name = next(pod["metadata"]["name"] for pod in pods["items"] if "deletionTimestamp" not in pod["metadata"])
        return await self.api.get(f"/api/v1/namespaces/gloo-system/pods/{name}:8082/proxy/{page}")


@asynccontextmanager
async def sandbox_gloo(cluster: Cluster) -> AsyncIterator[SandboxGloo]:
    """The namespace of the cases with both sides up, from an empty one; it is deleted at the end."""
    async with Api.from_kubeconfig(cluster.kubeconfig) as api, aiohttp.ClientSession() as session:
        namespace = f"/api/v1/namespaces/{gloo_cases.NAMESPACE}"
        await api.create("/api/v1/namespaces", {"metadata": {"name": gloo_cases.NAMESPACE}})
        found = SandboxGloo(api, session, cluster.endpoints["gateway"])
        start = (await api.get(_TABLES_PATH))["metadata"]["resourceVersion"]
        following = asyncio.create_task(found.follow_table(start), name="versions of the table")
        try:
            for side in ("primary", "canary"):
                for item in (deployment(side), gloo_cases.service(side), gloo_cases.kube_upstream(side)):
                    await found.put(item)
            for side in ("primary", "canary"):
                await until(partial(found.hosts, f"conf-app-{side}upstream-9898_conf"), bool)
            yield found
        finally:
            following.cancel()
            await asyncio.wait([following])
            await api.delete(namespace)
            await until(lambda: _is_gone(api, namespace), bool)


def _number(item: Json) -> int:
    return int(item["metadata"]["resourceVersion"])


def _proxy_entry(item: Json) -> Json | None:
    status = item["status"]["statuses"].get("gloo-system") or {}
    entry: Json | None = status.get("subresourceStatuses", {}).get(PROXY)
    return entry


async def _is_gone(api: Api, path: str) -> bool:
    try:
        await api.get(path)
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return True
        raise
    return False


def deployment(side: str) -> Json:
    """One podinfo that answers with the name of its side."""
    container = {
        "name": "podinfo",
        "image": "stefanprodan/podinfo:6.0.0",
        "command": ["./podinfo", "--port=9898", "--level=error"],
        "env": [{"name": "PODINFO_UI_MESSAGE", "value": side}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1},
    }
    labels = {"app": f"app-{side}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{side}", "namespace": gloo_cases.NAMESPACE},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 2},
            },
        },
    }


def _collection(item: Json) -> str:
    namespace = item["metadata"]["namespace"]
    return f"{_GROUPS[item['kind']]}/namespaces/{namespace}/{item['kind'].lower()}s"
