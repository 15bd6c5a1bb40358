"""Serin's own authority against a real API server: what it makes is what the API server trusts and calls."""

import asyncio
import base64
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from certs.material import Material, read_material
from certs.rotation import Lifetimes
from kube.client import Client
from kube.errors import PreconditionFailed
from kube.resource import MUTATING_WEBHOOKS, NAMESPACES, SECRETS, VALIDATING_WEBHOOKS, Object
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.unit.webhook.certificates.tls import connected, echoing, shown
from webhook.certificates.configurations import bundle_patch
from webhook.certificates.self_signed import NAME, OwnAuthority

pytestmark = [pytest.mark.timeout(180)]

BOTH = (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)
SECRET = "serin-webhook-authority"
EMPTY = {"metadata": {"name": SECRET, "labels": {"app.kubernetes.io/managed-by": "serin-webhook"}}, "type": "Opaque"}


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with Client.connect(kubeconfig=cluster.kubeconfig, user_agent="serin/test") as client:
        yield client


@pytest.fixture
async def namespace(client: Client) -> AsyncIterator[str]:
    name = f"certs-{secrets.token_hex(4)}"
    await client.create(NAMESPACES, {"metadata": {"name": name}})
    await client.create(SECRETS, EMPTY, name)
    yield name
    await client.delete(NAMESPACES, name)


@pytest.fixture
async def configurations(client: Client, namespace: str) -> AsyncIterator[None]:
    """The two, named as the namespace, of entries that match nothing."""
    for resource in BOTH:
        await client.create(resource, configuration(namespace))
    yield
    for resource in BOTH:
        await client.delete(resource, namespace)


def configuration(namespace: str) -> Object:
    return {
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": f"{name}.serin.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Ignore",
                "clientConfig": {"service": {"namespace": namespace, "name": NAME, "path": "/"}},
                "rules": [
                    {"apiGroups": ["none.serin.dev"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}
                ],
            }
            for name in ("a", "b")
        ],
    }


@asynccontextmanager
async def replica(
    cluster: Cluster, folder: Path, namespace: str, lifetimes: Lifetimes | None = None
) -> AsyncIterator[OwnAuthority]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            Client.connect(kubeconfig=cluster.kubeconfig, user_agent=f"{NAME}/test")
        )
        yield await stack.enter_async_context(
            OwnAuthority(client, folder, namespace=namespace, configuration_name=namespace, lifetimes=lifetimes)
        )


async def told(client: Client, name: str) -> set[str]:
    """The different caBundles in all entries, as PEM."""
    entries = [entry for resource in BOTH for entry in (await client.get(resource, name))["webhooks"]]
    return {base64.b64decode(entry["clientConfig"].get("caBundle", "")).decode() for entry in entries}


async def stored(client: Client, namespace: str) -> Material:
    secret = await client.get(SECRETS, SECRET, namespace)
    material, errors = read_material(secret["data"], source=SECRET)
    assert not errors
    return material


def is_well(authority: OwnAuthority) -> Callable[[], bool]:
    return lambda: not authority.problem()


async def test_two_replicas_make_one_certificate_that_is_told_and_served(
    cluster: Cluster, client: Client, configurations: None, namespace: str, tmp_path: Path
) -> None:
    async with replica(cluster, tmp_path, namespace) as one, replica(cluster, tmp_path, namespace) as two:
        for authority in (one, two):
            await eventually(is_well(authority), bool)
        (trusted,) = await eventually(
            lambda: told(client, namespace), lambda bundles: len(bundles) == 1 and bundles != {""}
        )
        leaf = (await stored(client, namespace)).leaf
        assert leaf is not None
        for authority in (one, two):
            async with (
                echoing(authority.context) as port,
                connected(port, trusted, name=f"{NAME}.{namespace}.svc") as connection,
            ):
                assert connection.leaf == leaf.certificate


async def test_a_wiped_bundle_is_back_within_a_second(
    cluster: Cluster, client: Client, configurations: None, namespace: str, tmp_path: Path
) -> None:
    async with replica(cluster, tmp_path, namespace) as one, replica(cluster, tmp_path, namespace) as two:
        for authority in (one, two):
            await eventually(is_well(authority), bool)
        before = await eventually(
            lambda: told(client, namespace), lambda bundles: len(bundles) == 1 and bundles != {""}
        )
        for resource in BOTH:
            found = await client.get(resource, namespace)
            for entry in found["webhooks"]:
                entry["clientConfig"].pop("caBundle")
            await client.replace(resource, found)
            wiped_at_s = time.monotonic()
            await eventually(lambda: told(client, namespace), lambda bundles: bundles == before, within_s=5.0)
            assert time.monotonic() - wiped_at_s < 1.0


class Pulse:
    """Notes when this process, with all that runs in it, stood still."""

    def __init__(self) -> None:
        self._interrupted_s = float("-inf")

    @classmethod
    @asynccontextmanager
    async def beating(cls) -> AsyncIterator["Pulse"]:
        pulse = cls()
        task = asyncio.create_task(pulse._beat(), name="pulse")
        try:
            yield pulse
        finally:
            task.cancel()

    @property
    def was_interrupted(self) -> bool:
        """Did it stand still for more than a second, in the last few?"""
        return time.monotonic() - self._interrupted_s < 5.0

    async def _beat(self) -> None:
        last_s = time.monotonic()
        while True:
            await asyncio.sleep(0.1)
            now_s = time.monotonic()
            if now_s - last_s > 1.0:
                self._interrupted_s = now_s
            last_s = now_s


async def test_rotation_in_a_hurry_is_accepted_by_whoever_believes_the_bundle(
    cluster: Cluster, client: Client, configurations: None, namespace: str, tmp_path: Path
) -> None:
    # A leaf is renewed 4 s before its end: 2 s for clients to hear of its authority, 2 s to spare on a busy machine.
    lifetimes = Lifetimes(authority_s=36.0, leaf_s=12.0, overlap_s=2.0)
    name = f"{NAME}.{namespace}.svc"
    leaves: set[int] = set()
    bundles: set[str] = set()
    async with (
        replica(cluster, tmp_path, namespace, lifetimes) as one,
        replica(cluster, tmp_path, namespace, lifetimes) as two,
        Pulse.beating() as pulse,
    ):
        for authority in (one, two):
            await eventually(is_well(authority), bool)
        await eventually(lambda: told(client, namespace), lambda seen: len(seen) == 1 and seen != {""})
        async with echoing(one.context) as first, echoing(two.context) as second, connected(first) as early:
            begun_s = time.monotonic()
            while time.monotonic() < begun_s + 54.0 or (
                time.monotonic() < begun_s + 120.0 and (len(leaves) < 5 or len(bundles) < 3)
            ):
                read_s = time.monotonic()
                for trusted in await told(client, namespace):
                    bundles.add(trusted)
                    await asyncio.sleep(0.3)
                    for port in (first, second):
                        try:
                            async with connected(port, trusted, name=name) as connection:
                                leaves.add(connection.leaf.serial_number)
                        except ssl.SSLError:
                            # Both replicas live in this process: what stood still with it, they could not renew,
                            # and a bundle of before is promised to nobody for longer than the overlap.
                            if time.monotonic() - read_s < lifetimes.overlap_s - 0.5 and not pulse.was_interrupted:
                                raise
            assert await early.is_alive()
    assert len(leaves) >= 5
    assert len(bundles) >= 3


async def test_a_patch_made_of_an_old_view_changes_nothing(
    client: Client, configurations: None, namespace: str
) -> None:
    old = await client.get(MUTATING_WEBHOOKS, namespace)
    pem = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n").decode()
    patch = bundle_patch(old, pem)
    turned = await client.get(MUTATING_WEBHOOKS, namespace)
    turned["webhooks"].reverse()
    turned = await client.replace(MUTATING_WEBHOOKS, turned)
    with pytest.raises(PreconditionFailed):
        await client.json_patch(MUTATING_WEBHOOKS, namespace, None, patch)
    assert await client.get(MUTATING_WEBHOOKS, namespace) == turned


async def test_a_damaged_secret_is_made_anew_by_the_running_replicas(
    cluster: Cluster, client: Client, configurations: None, namespace: str, tmp_path: Path
) -> None:
    async with replica(cluster, tmp_path, namespace) as one, replica(cluster, tmp_path, namespace) as two:
        for authority in (one, two):
            await eventually(is_well(authority), bool)
        await client.merge_patch(SECRETS, SECRET, namespace, {"data": {"ca.crt": "Zm9v", "tls.key": "YmFy"}})
        await eventually(
            lambda: client.get(SECRETS, SECRET, namespace), lambda secret: secret["data"]["ca.crt"] != "Zm9v"
        )
        leaf = (await stored(client, namespace)).leaf
        assert leaf is not None
        expected = base64.b64decode((await stored(client, namespace)).ca_bundle()).decode()
        await eventually(lambda: told(client, namespace), lambda bundles: bundles == {expected})
        for authority in (one, two):
            async with echoing(authority.context) as port:
                assert leaf.certificate == await eventually(partial(shown, port), leaf.certificate.__eq__)


async def test_a_deleted_secret_is_made_anew(
    cluster: Cluster, client: Client, configurations: None, namespace: str, tmp_path: Path
) -> None:
    async with replica(cluster, tmp_path, namespace) as one:
        await eventually(is_well(one), bool)
        before = await stored(client, namespace)
        await client.delete(SECRETS, SECRET, namespace)
        await client.create(SECRETS, EMPTY, namespace)
        async with echoing(one.context) as port:
            await eventually(
                lambda: shown(port), lambda seen: before.leaf is not None and seen != before.leaf.certificate
            )
        assert (await stored(client, namespace)).authorities != before.authorities
