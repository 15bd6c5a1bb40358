"""ConfigMaps, Secrets and tokens of the cluster, for the pods of this node."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.api import Api, ApiError, Mirror
from sandbox.node.errors import VolumeError

_NOT_FOUND = 404
_RENEW_AT = 0.8  # of a token's life, as a kubelet does
_SOON_S = 0.05  # several changes at once make one refresh


class ClusterConfiguration:
    """All ConfigMaps and Secrets, mirrored; pods wait on `changed` to refresh their volumes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._config_maps = Mirror(api, "/api/v1/configmaps")
        self._secrets = Mirror(api, "/api/v1/secrets")
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Keep the mirrors true, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for mirror in (self._config_maps, self._secrets):
                tasks.create_task(mirror.run(), name="mirror of configuration")
                tasks.create_task(self._announce(mirror), name="news of configuration")

    async def wait_synced(self) -> None:
        await self._config_maps.wait_synced()
        await self._secrets.wait_synced()

    async def wait_changed(self) -> None:
        """Return when any ConfigMap or Secret changes after the call."""
        await self._changed.wait()

    async def read_config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        return await self._read(self._config_maps, "configmaps", namespace, name)

    async def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        return await self._read(self._secrets, "secrets", namespace, name)

    async def _read(self, mirror: Mirror, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        found = mirror.objects.get((namespace, name))
        if found is not None:
            return found
        try:  # a pod and its ConfigMap are often created together, and the mirror may be some ms behind
            return await self._api.get(f"/api/v1/namespaces/{namespace}/{plural}/{name}")
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise VolumeError(f"{plural} {namespace}/{name}: {error}") from error

    async def _announce(self, mirror: Mirror) -> None:
        while True:
            await mirror.changed.wait()
            await asyncio.sleep(_SOON_S)
            mirror.changed.clear()
            self._changed.set()
            self._changed = asyncio.Event()


@dataclass
class _Token:
    text: str
    renew_at_s: float


@dataclass
class Tokens:
    """Service account tokens bound to their pods, asked for once and again at 80 % of their life."""

    api: Api
    _tokens: dict[tuple[str, str, int], _Token] = field(default_factory=dict)

    async def read_token(self, pod: dict[str, Any], audience: str, lifetime_s: int) -> str:
        key = (pod["metadata"]["uid"], audience, lifetime_s)
        now_s = asyncio.get_running_loop().time()
        known = self._tokens.get(key)
        if known is None or known.renew_at_s <= now_s:
            known = self._tokens[key] = await self._request(pod, audience, lifetime_s, now_s)
        return known.text

    def renew_in_s(self, pod_uid: str) -> float | None:
        """Return the seconds until the first of a pod's tokens has to be renewed; None without tokens."""
        times = [token.renew_at_s for key, token in self._tokens.items() if key[0] == pod_uid]
        return max(min(times) - asyncio.get_running_loop().time(), 0.0) if times else None

    def forget(self, pod_uid: str) -> None:
        for key in [key for key in self._tokens if key[0] == pod_uid]:
            del self._tokens[key]

    async def _request(self, pod: dict[str, Any], audience: str, lifetime_s: int, now_s: float) -> _Token:
        metadata = pod["metadata"]
        account = pod["spec"].get("serviceAccountName", "default")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec: dict[str, Any] = {"expirationSeconds": lifetime_s, "boundObjectRef": bound}
        spec["audiences"] = [audience] if audience else []
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        try:
            answer = await self.api.create(path, body)
        except ApiError as error:
            raise VolumeError(f"token of service account {metadata['namespace']}/{account}: {error}") from error
        expiry = datetime.fromisoformat(answer["status"]["expirationTimestamp"])
        begin = datetime.fromisoformat(answer["metadata"]["creationTimestamp"])
        return _Token(answer["status"]["token"], now_s + _RENEW_AT * (expiry - begin).total_seconds())
