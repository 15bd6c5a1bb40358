"""The description of gRPC's health service, which hooks name when they call ghz."""

import logging
from pathlib import Path
from typing import Final

PLACE: Final = Path("/tmp/ghz/health.proto")  # noqa: S108  where Flagger's image has it, so hooks name it there
_OURS: Final = Path(__file__).with_name("health.proto")

_log = logging.getLogger("loadtester")


def place_health_proto(place: Path = PLACE) -> None:
    """Write the description where hooks expect it, unless there is one: the manifests mount an empty folder at /tmp.

    Hooks of other kinds work without it, so a folder that can't be written is a warning.
    """
    if place.exists():
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_OURS.read_bytes())
    except OSError as error:
        _log.warning("hooks that call ghz find no %s: %s", place, error)
