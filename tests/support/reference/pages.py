"""Every page of docs/reference/ with the function that makes it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tests.support.cluster import REPOSITORY
from tests.support.reference.bounds import bounds_page
from tests.support.reference.calls import calls_page
from tests.support.reference.events import events_page
from tests.support.reference.fields import fields_page
from tests.support.reference.flags import command_page, flags_page
from tests.support.reference.series import series_page
from tests.support.reference.stored import annotations_page, conditions_page, status_page
from tests.support.reference.values import values_page

FOLDER: Final = REPOSITORY / "docs" / "reference"

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "canary.md": partial(fields_page, "Canary", "What you write of a canary."),
    "metric-template.md": partial(
        fields_page,
        "MetricTemplate",
        "A query that checks refer to. What a type asks, and its Secret, is on [its page](../providers/README.md); "
        "what the query may say, in [checks](../concepts/checks.md#query-templates).",
    ),
    "alert-provider.md": partial(
        fields_page,
        "AlertProvider",
        "A chat that [alerts](../how-to/alerts.md) go to. What each type is sent is in [chats](../concepts/chats.md).",
    ),
    "bounds.md": bounds_page,
    "status.md": status_page,
    "conditions.md": conditions_page,
    "events.md": events_page,
    "calls.md": calls_page,
    "annotations.md": annotations_page,
    "series.md": series_page,
    "flags.md": flags_page,
    "serin.md": command_page,
    "values.md": values_page,
}
