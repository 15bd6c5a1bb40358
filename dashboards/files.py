"""The files of manifests/grafana that are made here."""

import json
from typing import Final

from dashboards.one_canary import ONE_CANARY
from dashboards.overview import OVERVIEW

FILES: Final = {
    f"{name}.json": json.dumps(board.json(), indent=2, ensure_ascii=False) + "\n"
    for name, board in (("serin-overview", OVERVIEW), ("serin-canary", ONE_CANARY))
}
