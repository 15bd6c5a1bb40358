"""The values of the agent's flags: how they are read, and which are refused before anything is started."""

import re
from collections.abc import Iterable, Mapping

import typer

from agent.providers.cloud.identities import ANYBODY
from agent.providers.web.addresses import parse_range
from canary.rules.urls import HTTP_URL, is_http_url
from render.labels import LabelSettings


def check_addresses(addresses: Mapping[str, str]) -> None:
    """Raise typer.BadParameter for a flag whose value is no address; an empty one is none, and fine."""
    for flag, address in addresses.items():
        if address and not is_http_url(address):
            # The value is a secret: it is not shown.
            raise typer.BadParameter(f"{flag}: found another text; allowed: {HTTP_URL}")


def check_shards(shards: int, *, namespace: str, has_leases: bool, max_runs: int) -> None:
    """Raise typer.BadParameter where shards have nothing to share, no leases, or no part of the bound of runs."""
    if shards > 1 and (namespace or not has_leases):
        found = f"--namespace={namespace}" if namespace else "--no-enable-leader-election"
        raise typer.BadParameter(
            f"--shards: found {shards} with {found}; allowed: 1, or all namespaces and a lease for each shard"
        )
    if 0 < max_runs < shards:
        raise typer.BadParameter(
            f"--max-runs: found {max_runs} with --shards={shards}; allowed: 0, or {shards} and more: each has its part"
        )


def labels_of(selector_labels: str, include_label_prefix: str) -> LabelSettings:
    """Read which labels tell the sides apart, and which are carried over.

    Raises:
        typer.BadParameter: one can't be a label.
    """
    try:
        return LabelSettings.read(selector_labels, include_label_prefix)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def address_ranges_of(values: Iterable[str] | None) -> tuple[str, ...]:
    """Read ranges of addresses.

    Raises:
        typer.BadParameter: one is none.
    """
    found = listed(values)
    for one in found:
        try:
            parse_range(one)
        except ValueError as error:
            raise typer.BadParameter(f"--allowed-address-ranges: {error}") from error
    return found


def namespaces_of(values: Iterable[str] | None, flag: str, *, may_be_all: bool = False) -> tuple[str, ...]:
    """Read names of namespaces; `may_be_all`: `*` is one, too.

    Raises:
        typer.BadParameter: one is none.
    """
    found = listed(values)
    for name in found:
        is_all = may_be_all and name == ANYBODY
        if not is_all and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
            allowed = f"the name of a namespace{f', or {ANYBODY}' if may_be_all else ''}"
            raise typer.BadParameter(f"{flag}: found {name!r}; allowed: {allowed}")
    return found


def listed(values: Iterable[str] | None) -> tuple[str, ...]:
    """Split the values of a flag that may be given several times, or once with commas."""
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())
