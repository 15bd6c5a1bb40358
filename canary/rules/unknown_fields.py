"""Fields that this version does not know. They are kept, and nobody reads them: a gate at the wrong place never shuts.

Our CRDs keep them too, so that neither the API server nor `kubectl --validate=strict` says anything.
"""

import types
import typing
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel

from canary.api.alert_provider import AlertProvider
from canary.api.canary import Canary
from canary.api.matching import RequestMatch, StringMatch
from canary.api.metric_template import MetricTemplate
from canary.api.problems import Described, Problem, field_path
from canary.api.references import SecretReference
from canary.api.schema import ApiModel, ApiObject

_FOUND: Final = Described("a field that is not known and not read")
_MOST_TOLD: Final = 20
"""Nobody misspells more in one object, and each is compared with all that are known."""
_LIKENESS: Final = 0.8


def fields_are_known(obj: Canary | MetricTemplate | AlertProvider) -> Iterator[Problem]:
    """Warn of each unknown field, and name the one that may be meant. Its value is not shown: it may be a secret."""
    return islice(_unknown(type(obj), obj.spec, "spec"), _MOST_TOLD)


def _unknown(kind: type[ApiObject], model: ApiModel, path: str) -> Iterator[Problem]:
    for name in model.model_extra or {}:
        meant = _meant(kind, type(model), path, str(name))
        allowed = "known fields"
        if isinstance(model, SecretReference) and name == "namespace":
            meant, allowed = "", "nothing; it is ignored, for the Secret is one of the same namespace"
        if isinstance(model, RequestMatch | StringMatch) and not path.startswith("spec.service."):
            allowed += "; with this one, the entry is for nobody"
        allowed += f"; did you mean {meant}?" if meant else ""
        yield Problem(field_path(path, str(name)), _FOUND, allowed, is_warning=True)
    for field, info in type(model).model_fields.items():
        yield from _unknown_in(kind, getattr(model, field), field_path(path, info.alias or field))


def _unknown_in(kind: type[ApiObject], value: object, path: str) -> Iterator[Problem]:
    match value:
        case ApiModel():
            yield from _unknown(kind, value, path)
        case tuple():
            for index, item in enumerate(value):
                yield from _unknown_in(kind, item, field_path(path, index))
        case dict():
            for key, item in value.items():
                yield from _unknown_in(kind, item, field_path(path, key))
        case _:
            pass


def _meant(kind: type[ApiObject], holder: type[ApiModel], path: str, name: str) -> str:
    """Return the path of the field that may be meant, empty when none is alike: one beside it, or one elsewhere."""
    beside = {alias.lower(): f"{path}.{alias}" for alias in _aliases(holder)}
    elsewhere = _paths(kind)
    wanted = name.lower()
    for known in (beside, elsewhere):
        if wanted in known:
            return known[wanted]
    for known in (beside, elsewhere):
        for like in get_close_matches(wanted, known, n=1, cutoff=_LIKENESS):
            return known[like]
    return ""


def _aliases(model: type[BaseModel]) -> list[str]:
    return [info.alias or field for field, info in model.model_fields.items()]


@cache
def _paths(kind: type[ApiObject]) -> Mapping[str, str]:
    """Return the path of every field of a kind's spec, by its name in small letters.

    Of several it is the least deep, and one of the analysis before others.
    """
    found: dict[str, str] = {}
    paths = _paths_below(kind.model_fields["spec"].annotation, "spec")
    for path in sorted(paths, key=lambda path: (path.count("."), not path.startswith("spec.analysis."))):
        found.setdefault(path.rpartition(".")[2].removesuffix("[]").lower(), path.removesuffix("[]"))
    return found


def _paths_below(annotation: Any, path: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return
    if origin in {typing.Union, types.UnionType}:
        for argument in arguments:
            yield from _paths_below(argument, path)
    elif origin is tuple:
        yield from _paths_below(arguments[0], f"{path}[]")
    elif origin is dict:
        yield from _paths_below(arguments[1], f"{path}[]")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for field, info in annotation.model_fields.items():
            below = f"{path}.{info.alias or field}"
            yield below
            yield from _paths_below(info.annotation, below)


UNKNOWN_FIELD_RULES = (fields_are_known,)
