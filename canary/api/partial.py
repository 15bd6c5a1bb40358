"""What can be read of a Canary whose spec is invalid: enough to pull its traffic, or to let it go."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from canary.api.canary import Canary
from canary.api.parts import mapping_of

_KEPT: Final = ("provider", "targetRef", "autoscalerRef", "revertOnDeletion", "suspend")
_KEPT_OF_SERVICE: Final = ("name", "port")


class PartialCanary(Canary):
    """A Canary of which only names were read: what it does not say of its route is not known, and stays as it is."""


def parse_partial(obj: Mapping[str, Any]) -> PartialCanary | None:
    """Read the names of a Canary's objects and nothing of its analysis; None where not even they can be read."""
    spec = mapping_of(obj, "spec")
    kept: dict[str, Any] = {key: spec[key] for key in _KEPT if key in spec}
    service = mapping_of(spec, "service")
    kept["service"] = {key: service[key] for key in _KEPT_OF_SERVICE if key in service}
    without_scaler = {key: value for key, value in kept.items() if key != "autoscalerRef"}
    for part in (kept, without_scaler):
        try:
            return PartialCanary.model_validate({"metadata": obj["metadata"], "spec": part})
        except ValidationError:
            continue
    return None
