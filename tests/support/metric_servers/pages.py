"""The pages of docs/providers/: their objects, and what the agent says when something of them is wrong."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from kube.resource import Object
from tests.support.cluster import REPOSITORY
from tests.support.metric_servers.playing import Played, playing
from tests.support.metric_servers.server import FakeMetricServer, Fault
from tests.support.patience import PATIENCE_S

FOLDER = REPOSITORY / "docs" / "providers"

_BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_BEGIN = re.compile(r"^metric query failed for probe: ")
_SOON_S = 0.05


@dataclass(frozen=True)
class ProviderPage:
    """A page: the MetricTemplate that it shows, and the Secret's texts, None where it shows none."""

    text: str
    template: Object
    secret: Mapping[str, str] | None

    @classmethod
    def read(cls, provider_type: str) -> Self:
        """Read the page of a type."""
        text = path_of(provider_type).read_text()
        objects = [obj for block in _BLOCK.findall(text) for obj in yaml.safe_load_all(block)]
        kinds = {obj["kind"]: obj for obj in objects if isinstance(obj, dict) and "kind" in obj}
        return cls(text, kinds["MetricTemplate"], kinds["Secret"]["stringData"] if "Secret" in kinds else None)

    def shows(self, text: str) -> bool:
        """Return whether a text is a code of the page; in a table `|` is written with a backslash."""
        return f"`{text}`" in self.text.replace("\\|", "|")


def path_of(provider_type: str) -> Path:
    """Return where the page of a type is."""
    return FOLDER / f"{provider_type}.md"


@asynccontextmanager
async def playing_page(
    server: FakeMetricServer, page: ProviderPage, *, timeout_s: float = PATIENCE_S
) -> AsyncIterator[Played]:
    """Play the page's template with its Secret; the server takes what is in that."""
    server.accepted = page.secret or server.secret
    template = {**page.template, "metadata": {**page.template["metadata"], "resourceVersion": "1"}}
    async with playing(server, template, secret=page.secret, timeout_s=timeout_s) as played:
        yield played


async def failures(server: FakeMetricServer, page: ProviderPage) -> dict[str, str]:
    """Return what an event says behind `metric query failed for NAME: ` of each thing that is wrong."""
    found: dict[str, str] = {}
    async with playing_page(server, page) as played:
        for what, fault in {"in trouble": Fault(503), "refused": Fault(400, "{}")}.items():
            server.fault = fault
            found[what] = await _told(played)
        server.fault, server.series = None, [1.0, 2.0, 3.0]
        if server.has_series:
            found["several"] = await _told(played)
        server.series = [1.0]
        if page.secret:
            (key,) = played.api.secrets
            server.accepted = server.rotated
            found["credentials"] = await _told(played)
            first = next(iter(page.secret))
            played.api.secrets[key] = {name: text for name, text in page.secret.items() if name != first}
            found["no key"] = await _told(played)
            del played.api.secrets[key]
            found["no Secret"] = await _told(played)
    server.fault = Fault()
    async with playing_page(server, page, timeout_s=_SOON_S) as played:
        found["slow"] = (await _told(played)).replace(f"{_SOON_S:g} s", "10 s")
    return found


async def _told(played: Played) -> str:
    result = await played.check()
    assert _BEGIN.match(result.text), result.text
    return _BEGIN.sub("", result.text)
