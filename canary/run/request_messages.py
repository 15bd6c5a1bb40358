"""Messages that answer what somebody asked of a canary by an annotation: carried out, or refused.

Flagger knows no requests, so that all these texts are ours.
"""

from dataclasses import replace

from canary.run.messages import Alert, Message, info, warning
from canary.run.request import RequestResult
from canary.run.wire import REQUEST_ANNOTATION


def by_request(by: str) -> str:
    """Return that something is done by request, and whose that was, if that is known."""
    return f"by request of {by}" if by else "by request"


def paused(name: str, weight_percent: int, by: str) -> Message:
    """Report that somebody asked to pause. The text is ours."""
    message = info(f"Pausing {name} at canary weight {weight_percent}, {by_request(by)}. Its checks go on")
    return replace(message, alert=Alert("warn", f"Canary is paused at weight {weight_percent}, {by_request(by)}."))


def resumed(name: str, by: str, still_paused_by: int = 0) -> Message:
    """Report that somebody asked to resume; where a step pauses the run as well, its number. The text is ours."""
    rest = f". Step {still_paused_by} still pauses it: resume it once more" if still_paused_by else ""
    message = info(f"Resuming {name}, {by_request(by)}{rest}")
    return replace(message, alert=Alert("info", f"Canary is resumed, {by_request(by)}{rest}."))


def promoted_by_request(name: str, by: str) -> Message:
    """Report that somebody asked for the promotion, whatever of the analysis is left. The text is ours."""
    what = f"without the rest of its analysis, {by_request(by)}"
    return replace(info(f"Promoting {name} {what}"), alert=Alert("info", f"Canary is promoted {what}."))


def retried(target: str, revision: str, by: str, *, is_first: bool = False) -> Message:
    """Report that somebody asked to run a revision again, or (`is_first`) before its turn. The text is ours."""
    when = "before its turn" if is_first else "again"
    return info(f"Running revision {revision} of {target} {when}, {by_request(by)}")


def skipped(target: str, revision: str, by: str) -> Message:
    """Report that somebody asked never to roll out a revision. The text is ours."""
    return info(f"Revision {revision} of {target} is not rolled out, {by_request(by)}")


def request_refused(namespace: str, name: str, request: RequestResult) -> Message:
    """Report a request that can't be carried out. The text is ours."""
    path, by = f"metadata.annotations[{REQUEST_ANNOTATION}]", f" of {request.by}" if request.by else ""
    return warning(f"Canary {namespace}/{name} {path}: found {request.text!r}{by}; allowed: {request.why_refused}")
