"""The defaults of a Canary, written into it as it is applied, so that `kubectl get -o yaml` shows what is in force.

Nothing that the user wrote in a manifest is changed. A default that follows from another field (`targetPort` from
`port`) goes on following it, or else an object would come to mean something else with the webhook than without it.
A warning names it: by an edit or a patch somebody may have written the same value beside the manifest.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from canary.api.defaults import Default, canary_defaults, derived_defaults
from canary.api.problems import Problem, field_path
from canary.rules.admission import is_of_another_provider
from webhook.applied_manifest import is_in_a_manifest
from webhook.review import ALLOWED, Answer, Request
from webhook.validating import is_looked_at, is_spec_unchanged

_NOTHING: Final = object()


def default_canary(request: Request) -> Answer:
    """Return the patch that adds what is absent.

    A Canary of another provider is left as it is, and so is a spec that is not written by this request.
    """
    if not is_looked_at(request) or is_spec_unchanged(request) or is_of_another_provider(request.object):
        return ALLOWED
    stale = [(default, is_in_a_manifest(request.object, default.path)) for default in _stale(request)]
    added = [*canary_defaults(request.object), *(default for default, is_written in stale if is_written is False)]
    # In a JSON patch `add` puts a member in place of one that is there.
    patch = tuple({"op": "add", "path": f"/{'/'.join(path)}", "value": value} for path, value in added)
    following = (_follows(request, default) for default, is_written in stale if is_written is False)
    staying = (_stays(request, default) for default, is_written in stale if is_written is None)
    return Answer(patch, (*following, *staying))


def _stale(request: Request) -> Iterator[Default]:
    """Return the defaults that changed with what they follow from, while the field stands as the old default was."""
    if request.operation != "UPDATE":
        return
    before = dict(derived_defaults(request.old_object))
    for default in derived_defaults(request.object):
        old_default = before.get(default.path)
        stands = _value(request.object, default.path)
        was = _value(request.old_object, default.path)
        if old_default != default.value and stands == was == old_default:
            yield default


def _follows(request: Request, default: Default) -> str:
    """Return the warning that a field follows, which nobody wrote in a manifest."""
    return _warning(request, default, f"no manifest has it, so it follows and is {default.value!r} from now on")


def _stays(request: Request, default: Default) -> str:
    """Return the warning that a field may be an old default, and is left because the user may have written it."""
    return _warning(request, default, f"it does not follow: without this field it would now be {default.value!r}")


def _warning(request: Request, default: Default, what: str) -> str:
    found = _value(request.object, default.path)
    return str(Problem(field_path(*default.path), found, f"anything, but {what}", is_warning=True))


def _value(obj: Mapping[str, Any], path: tuple[str, ...]) -> object:
    found: Any = obj
    for part in path:
        if not isinstance(found, Mapping):
            return _NOTHING
        found = found.get(part, _NOTHING)
    return found
