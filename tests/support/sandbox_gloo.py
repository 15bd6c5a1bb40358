"""The sandbox's gateway under test: the recorded cases' surroundings for real, and looks at all sides of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp

from sandbox.api import Api, ApiError, Mirror
from sandbox.gloo.delays import SWITCH, SWITCH_KEY
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
_SWITCH_PATH = "/api/v1/namespaces/gloo-system/configmaps"
_NOT_FOUND = 404
_SETTLED_S = 2.0  # longer than a whole cycle of statuses


@dataclass(frozen=True)
class SandboxGloo:
    """`tables` mirrors the RouteTables of the cases' namespace; `gateway` is the gateway's URL on the host."""

    api: Api
    session: aiohttp.ClientSession
    gateway: str
    tables: Mirror

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
            for name in ("app", "admin"):
                await self.remove({"kind": kind, "metadata": {"name": name, "namespace": gloo_cases.NAMESPACE}})
        for item in gloo_cases.objects(case):
            await self.put(item)

    async def settle_case(self, case: str) -> None:
        """`put_case`, then wait until Gloo has nothing more to say about it."""
        await self.put_case(case)
        before = None
        while before is None or before != await self.statuses(case):
            before = await self.statuses(case)
            await asyncio.sleep(_SETTLED_S)

    async def change_routes(self, case: str) -> None:
        """Give the RouteTable `app` the routes of another case, in place."""
        table = next(item for item in gloo_cases.objects(case) if item["kind"] == "RouteTable")
        await self.api.merge_patch(f"{_collection(table)}/app", {"spec": table["spec"]})

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

    def proxy_entry(self) -> Json | None:
        """The proxy's entry in the status of RouteTable `app`."""
        status = self.tables.objects[gloo_cases.NAMESPACE, "app"]["status"]["statuses"].get("gloo-system") or {}
        entry: Json | None = status.get("subresourceStatuses", {}).get(PROXY)
        return entry

    @asynccontextmanager
    async def switched(self, word: str) -> AsyncIterator[None]:
        """Gloo with other delays while inside."""
        body = {"metadata": {"name": SWITCH}, "data": {SWITCH_KEY: word}}
        await self.api.create(_SWITCH_PATH, body)
        await asyncio.sleep(0.3)  # its watch
        try:
            yield
        finally:
            await self.api.delete(f"{_SWITCH_PATH}/{SWITCH}")

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
        tables = Mirror(api, f"/apis/gateway.solo.io/v1/namespaces/{gloo_cases.NAMESPACE}/routetables")
        mirroring = asyncio.create_task(tables.run(), name="route tables")
        found = SandboxGloo(api, session, cluster.endpoints["gateway"], tables)
        try:
            for side in ("primary", "canary"):
                for item in (deployment(side), gloo_cases.service(side), gloo_cases.kube_upstream(side)):
                    await found.put(item)
            for side in ("primary", "canary"):
                await until(partial(found.hosts, f"conf-app-{side}upstream-9898_conf"), bool)
            await tables.wait_synced()
            yield found
        finally:
            mirroring.cancel()
            await asyncio.wait([mirroring])
            await api.delete(namespace)
            await until(lambda: _is_gone(api, namespace), bool)


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
