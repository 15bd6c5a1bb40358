"""Rules for session affinity and mirroring."""

from collections.abc import Iterator

from canary.api.analysis import SessionAffinity
from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.rules.http_syntax import TOKEN, is_cookie_attribute, is_token, shown

_ATTRIBUTE = "visible ASCII characters and spaces, but no semicolon"


def cookies_of_the_sides_differ(canary: Canary) -> Iterator[Problem]:
    for path, affinity in _affinity(canary):
        if affinity.cookie_name and affinity.cookie_name == affinity.primary_cookie_name:
            yield Problem(f"{path}.primaryCookieName", affinity.primary_cookie_name, "another name than cookieName")


def cookie_names_are_tokens(canary: Canary) -> Iterator[Problem]:
    for path, affinity in _affinity(canary):
        if not is_token(affinity.cookie_name):
            yield Problem(f"{path}.cookieName", shown(affinity.cookie_name, is_token), TOKEN)
        if affinity.primary_cookie_name and not is_token(affinity.primary_cookie_name):
            yield Problem(f"{path}.primaryCookieName", shown(affinity.primary_cookie_name, is_token), TOKEN)


def cookie_attributes_stay_one(canary: Canary) -> Iterator[Problem]:
    for path, affinity in _affinity(canary):
        for field in ("domain", "path"):
            written = getattr(affinity, field)
            if not is_cookie_attribute(written):
                yield Problem(f"{path}.{field}", shown(written, is_cookie_attribute), _ATTRIBUTE)


def cookie_is_kept_by_browsers(canary: Canary) -> Iterator[Problem]:
    """Warn of cookies that browsers drop: expired ones, and those that need `secure` but lack it (RFC 6265bis)."""
    for path, affinity in _affinity(canary):
        if affinity.max_age < 0:
            allowed = "0 (the default, a day) or more; browsers drop this cookie at once"
            yield Problem(f"{path}.maxAge", affinity.max_age, allowed, is_warning=True)
        if affinity.path and not affinity.path.startswith("/"):
            yield Problem(f"{path}.path", affinity.path, "a path that starts with /; it is ignored", is_warning=True)
        needs_secure = affinity.same_site == "None" or affinity.partitioned
        if needs_secure and not affinity.secure:
            allowed = "true, or browsers drop a cookie that is partitioned or has sameSite None"
            found = affinity.secure if "secure" in affinity.model_fields_set else None
            yield Problem(f"{path}.secure", found, allowed, is_warning=True)


def affinity_is_for_weights(canary: Canary) -> Iterator[Problem]:
    """Warn of affinity where conditions decide, and in blue/green, where nobody sees the canary."""
    for path, affinity in _affinity(canary):
        if canary.strategy != "canary":
            allowed = (
                "nothing beside iterations or match; it is for weights (stepWeight, stepWeights) among all requests, "
                "and means nothing here"
            )
            yield Problem(path, affinity.model_dump(by_alias=True, exclude_unset=True), allowed, is_warning=True)


def mirror_means_something(canary: Canary) -> Iterator[Problem]:
    analysis = canary.analysis
    if analysis is None:
        return
    if analysis.mirror and canary.is_for_matching:
        allowed = "nothing beside match: what is for some requests is not mirrored, as on Flagger"
        yield Problem(f"{canary.analysis_path}.mirror", analysis.mirror, allowed, is_warning=True)
    if analysis.mirror_weight and not analysis.mirror:
        allowed = "nothing without mirror: true, which it belongs to"
        yield Problem(f"{canary.analysis_path}.mirrorWeight", analysis.mirror_weight, allowed, is_warning=True)


def _affinity(canary: Canary) -> Iterator[tuple[str, SessionAffinity]]:
    affinity = canary.analysis.session_affinity if canary.analysis is not None else None
    if affinity is not None:
        yield f"{canary.analysis_path}.sessionAffinity", affinity


AFFINITY_RULES = (
    cookies_of_the_sides_differ,
    cookie_names_are_tokens,
    cookie_attributes_stay_one,
    cookie_is_kept_by_browsers,
    affinity_is_for_weights,
    mirror_means_something,
)
