"""Serin's own authority against an API server in memory: made, published, restored, rotated, whatever comes between."""

import asyncio
import base64
import time as wall
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certs.material import Material, read_material, write_material
from certs.rotation import Lifetimes
from kube.client import Client
from tests.support.patience import PATIENCE_S
from tests.unit.certs.test_authority import verify
from tests.unit.webhook.certificates.apiserver import (
    MUTATING,
    SECRET,
    VALIDATING,
    FakeCluster,
    configuration,
    empty_secret,
    running_cluster,
)
from tests.unit.webhook.certificates.tls import ManualTime, connected, echoing, shown
from webhook.certificates.self_signed import OwnAuthority

DAY_S = 86_400.0


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[FakeCluster]:
    async with running_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def time() -> ManualTime:
    return ManualTime(wall.time())


@asynccontextmanager
async def replica(cluster: FakeCluster, time: ManualTime, folder: Path, **options: Any) -> AsyncIterator[OwnAuthority]:
    async with (
        Client.connect(kubeconfig=cluster.kubeconfig, user_agent="serin/test", sleep=time.sleep) as client,
        OwnAuthority(
            client, folder, namespace="gloo-system", now_s=time.clock, sleep=time.sleep, **options
        ) as authority,
    ):
        yield authority


def stored(cluster: FakeCluster) -> Material:
    material, errors = read_material(cluster.objects[SECRET]["data"], source="secret")
    assert not errors
    return material


def serial(cluster: FakeCluster) -> int:
    leaf = stored(cluster).leaf
    assert leaf is not None
    return leaf.certificate.serial_number


async def ready(time: ManualTime, *authorities: OwnAuthority) -> None:
    await time.when(lambda: not any(authority.problem() for authority in authorities))


async def passing(time: ManualTime, until: Callable[[], bool]) -> None:
    """Let time pass until it is so: waits after failures are long ones."""
    async with asyncio.timeout(PATIENCE_S):
        while not until():
            await time.pass_s(10.0)
            await asyncio.sleep(0)


async def test_the_first_start_makes_everything_and_the_second_finds_it(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    async with replica(cluster, time, tmp_path) as authority:
        assert authority.problem() == (
            "there is no certificate yet: Secret gloo-system/serin-webhook-authority has not been looked up yet"
        )
        await ready(time, authority)
        assert sorted(cluster.writes) == sorted([("PUT", SECRET), ("PATCH", MUTATING), ("PATCH", VALIDATING)])
        assert cluster.objects[SECRET]["type"] == "Opaque"
        async with echoing(authority.context) as port:
            assert (await shown(port, cluster.trusted())).serial_number == serial(cluster)
        assert authority.expires_at_s() == int(time.now_s) + 90 * DAY_S
    cluster.writes.clear()
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
    assert cluster.writes == []


async def test_two_replicas_that_start_together_agree(cluster: FakeCluster, time: ManualTime, tmp_path: Path) -> None:
    async with replica(cluster, time, tmp_path) as one, replica(cluster, time, tmp_path) as two:
        await ready(time, one, two)
        await cluster.when(lambda: bool(cluster.trusted()))
        for authority in (one, two):
            async with echoing(authority.context) as port:
                assert (await shown(port, cluster.trusted())).serial_number == serial(cluster)


@pytest.mark.parametrize("path", [MUTATING, VALIDATING])
async def test_a_wiped_bundle_is_restored_in_each_entry(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path, path: str
) -> None:
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        before = cluster.trusted()
        cluster.put(path, configuration())
        await cluster.notify()
        await cluster.when(lambda: cluster.trusted() == before)
        cluster.objects[path]["webhooks"][1]["clientConfig"]["caBundle"] = "Zm9yZWlnbg=="
        cluster.put(path, cluster.objects[path])
        await cluster.notify()
        await cluster.when(lambda: cluster.trusted() == before)
        cluster.delete(path)
        cluster.put(path, configuration())
        await cluster.notify()
        await cluster.when(lambda: cluster.trusted() == before)


async def test_entries_that_change_places_meanwhile_are_not_mistaken(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    turned = configuration()
    turned["webhooks"].reverse()
    turned["webhooks"][0]["clientConfig"]["caBundle"] = "Zm9yZWlnbg=="
    turns = [turned]

    def turn(method: str, path: str) -> None:
        if (method, path) == ("PATCH", MUTATING) and turns:
            cluster.put(MUTATING, turns.pop())

    cluster.before_write = turn
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        await cluster.when(lambda: bool(cluster.trusted()))
    assert cluster.writes.count(("PATCH", MUTATING)) >= 2, "the first one's test did not hold"
    assert [entry["name"] for entry in cluster.objects[MUTATING]["webhooks"]] == ["b.serin.dev", "a.serin.dev"]


async def test_years_of_rotation_break_no_connection_and_are_accepted_at_every_step(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    start_s = time.now_s
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        async with echoing(authority.context) as port, connected(port, cluster.trusted()) as early:
            served = {early.leaf.serial_number}
            authorities = set(stored(cluster).authorities)
            while time.now_s < start_s + 500 * DAY_S:
                trusted = stored(cluster).authorities
                await time.pass_s(10 * DAY_S if stored(cluster).published_at_s is None else 3600.0)
                await settled(cluster, time, authority)
                leaf = stored(cluster).leaf
                assert leaf is not None
                assert await shown(port) == leaf.certificate
                verify(leaf, *trusted, at_s=time.now_s)
                served.add(leaf.certificate.serial_number)
                authorities |= set(stored(cluster).authorities)
            assert await early.is_alive()
    assert len(authorities) == 3
    assert len(served) >= 8


async def settled(cluster: FakeCluster, time: ManualTime, authority: OwnAuthority) -> None:
    """Until what is stored is published and served, and nothing more is due at this moment."""

    def is_settled() -> bool:
        leaf = stored(cluster).leaf
        published = base64.b64decode(stored(cluster).ca_bundle()).decode()
        return (
            leaf is not None
            and leaf.expires_at_s == authority.expires_at_s()
            and cluster.trusted() == published
            and (stored(cluster).is_leaf_of_newest or stored(cluster).published_at_s is not None)
            and leaf.expires_at_s - time.now_s > 29 * DAY_S
        )

    await time.when(is_settled)


async def test_a_new_authority_waits_until_the_api_server_can_be_told(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    async with replica(cluster, time, tmp_path, lifetimes=Lifetimes(overlap_s=20 * DAY_S)) as authority:
        await ready(time, authority)
        first = serial(cluster)
        cluster.refuse = lambda method, path: 403 if (method, path) == ("PATCH", VALIDATING) else 0
        data = dict(cluster.objects[SECRET]["data"])
        del data["ca.key"]
        cluster.put(SECRET, cluster.objects[SECRET] | {"data": data})
        await cluster.notify()
        await passing(time, lambda: cluster.writes.count(("PATCH", VALIDATING)) > 8)
        assert (serial(cluster), stored(cluster).published_at_s) == (first, None)
        cluster.refuse = lambda _method, _path: 0
        await passing(time, lambda: stored(cluster).published_at_s is not None)
        assert serial(cluster) == first
        await time.pass_s(20 * DAY_S)
        await cluster.when(lambda: serial(cluster) != first)
        assert len(stored(cluster).authorities) == 2


@pytest.mark.parametrize(
    "damage", [{}, {"tls.crt": "", "tls.key": ""}, {"ca.crt": "Zm9v"}, {"ca.key": "Zm9v", "tls.key": "!"}]
)
async def test_a_damaged_secret_is_made_anew(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path, damage: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
    whole = cluster.objects[SECRET]
    cluster.put(SECRET, whole | {"data": whole["data"] | damage if damage else {}})
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        await cluster.when(lambda: bool(cluster.trusted()))
        async with echoing(authority.context) as port:
            assert (await shown(port, cluster.trusted())).serial_number == serial(cluster)
    assert any("Secret gloo-system/serin-webhook-authority: " in record.message for record in caplog.records)


async def test_a_deleted_secret_is_made_anew_while_connections_stay(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        async with echoing(authority.context) as port, connected(port, cluster.trusted()) as early:
            old = cluster.trusted()
            cluster.delete(SECRET)
            await cluster.notify()
            await passing(time, lambda: "found none" in authority._trouble)
            assert authority.problem() == "", "what there was serves on"
            cluster.put(SECRET, empty_secret())
            await cluster.notify()
            await passing(time, lambda: cluster.trusted() not in {"", old})
            await time.when(lambda: serial(cluster) != early.leaf.serial_number)
            assert (await shown(port, cluster.trusted())).serial_number == serial(cluster)
            assert await early.is_alive()


async def test_a_secret_that_helm_made_is_ours_by_its_name(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    """Helm writes itself into the label that says whose it is, of all that it installs."""
    labels = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "serin-webhook-authority"}
    cluster.put(SECRET, {"metadata": {"labels": labels}, "type": "Opaque"})
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        assert stored(cluster).leaf is not None


async def test_a_secret_of_somebody_else_is_left_alone_and_named(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    foreign = cluster.put(SECRET, {"data": {"tls.crt": "Zm9v"}})
    async with replica(cluster, time, tmp_path) as authority:
        await time.when(lambda: "found None" in authority.problem())
        assert authority.problem() == (
            "there is no certificate yet: Secret gloo-system/serin-webhook-authority: "
            "metadata.labels[app.kubernetes.io/managed-by]: found None; allowed is 'serin-webhook'"
        )
        assert cluster.objects[SECRET] == foreign
        assert cluster.writes == []
        cluster.put(SECRET, empty_secret())
        await cluster.notify()
        await passing(time, lambda: not authority.problem())


async def test_an_api_server_that_refuses_is_asked_until_it_agrees(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    cluster.refuse = lambda _method, _path: 403
    async with replica(cluster, time, tmp_path) as authority:
        await time.when(lambda: "Forbidden" in authority.problem())
        assert authority.problem() == (
            "there is no certificate yet: Secret gloo-system/serin-webhook-authority: no (403 Forbidden)"
        )
        cluster.refuse = lambda _method, _path: 0
        await passing(time, lambda: not authority.problem())


async def test_what_can_not_be_told_is_served_all_the_same(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    cluster.refuse = lambda method, _path: 403 if method == "PATCH" else 0
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        assert cluster.trusted() == ""


@pytest.mark.parametrize(("refused", "updated"), [(MUTATING, VALIDATING), (VALIDATING, MUTATING)])
async def test_a_configuration_that_can_not_be_told_keeps_no_other_from_it(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path, refused: str, updated: str
) -> None:
    cluster.refuse = lambda method, path: 403 if (method, path) == ("PATCH", refused) else 0
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        await cluster.when(lambda: all(cluster.bundles(updated)))
        assert not any(cluster.bundles(refused))
        cluster.refuse = lambda _method, _path: 0
        await passing(time, lambda: cluster.trusted() != "")


async def test_what_can_not_be_renewed_is_served_to_its_end_by_a_new_replica_too(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
    first = serial(cluster)
    cluster.refuse = lambda _method, path: 403 if path == SECRET else 0
    await time.pass_s(61 * DAY_S)
    async with replica(cluster, time, tmp_path) as authority:
        await ready(time, authority)
        async with echoing(authority.context) as port:
            assert (await shown(port, cluster.trusted())).serial_number == first
        await time.pass_s(30 * DAY_S)
        await time.when(lambda: "expired" in authority.problem())
        assert authority.problem().endswith("Secret gloo-system/serin-webhook-authority: no (403 Forbidden)")


async def test_one_who_hears_nothing_takes_back_nothing(cluster: FakeCluster, time: ManualTime, tmp_path: Path) -> None:
    async with replica(cluster, time, tmp_path) as deaf:
        await ready(time, deaf)
        async with replica(cluster, time, tmp_path) as other:
            await ready(time, other)
            # Only the Secret's event is kept back: the new bundle arrives, and looks like somebody's meddling.
            events = cluster.events
            newer = stored(cluster)
            data = write_material(Material(newer.authorities, None, newer.leaf))
            cluster.put(SECRET, cluster.objects[SECRET] | {"data": data})
            events.pop()
            cluster.put(MUTATING, configuration())
            await cluster.notify()
            await cluster.when(lambda: len(stored_authorities(cluster)) == 2 and cluster.trusted().count("BEGIN") == 2)
            assert cluster.trusted() == base64.b64decode(stored(cluster).ca_bundle()).decode()


async def test_one_who_lost_a_race_and_hears_nothing_reads_again(
    cluster: FakeCluster, time: ManualTime, tmp_path: Path
) -> None:
    async with replica(cluster, time, tmp_path) as deaf:
        await ready(time, deaf)
        first = serial(cluster)
        cluster.put(SECRET, cluster.objects[SECRET] | {"type": "kubernetes.io/tls"})
        cluster.events.pop()
        await passing(time, lambda: cluster.writes.count(("PATCH", VALIDATING)) == 1)
        await time.pass_s(60 * DAY_S)
        await passing(time, lambda: serial(cluster) != first)
    assert cluster.writes.count(("PUT", SECRET)) == 3


def stored_authorities(cluster: FakeCluster) -> tuple[x509.Certificate, ...]:
    return read_material(cluster.objects[SECRET]["data"], source="secret")[0].authorities
