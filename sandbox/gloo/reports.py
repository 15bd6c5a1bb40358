"""What translation has to say about each object, and the statuses that Gloo makes of it."""

from dataclasses import dataclass, field

from sandbox.gloo.snapshot import Json

STATUS_NAMESPACE = "gloo-system"
PROXY = "*v1.Proxy.gateway-proxy_gloo-system"  # the one entry under subresourceStatuses


class TranslationError(ValueError):
    """An object that can't be translated; the text is what Gloo says of it, in its status."""


# What reading an object of a wrong shape raises. The CRDs here check less than Gloo's, and one bad object must not
# keep the others from being translated.
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


def told(error: Exception) -> str:
    """Return the text for a status: Gloo's own where we know it."""
    return str(error) if isinstance(error, ValueError) else f"malformed spec: {type(error).__name__}: {error}"


@dataclass
class Report:
    """The errors and warnings of one object, in the order they were found."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add what another report says."""
        self.errors += other.errors
        self.warnings += other.warnings

    def state(self) -> Json:
        """Return `{"state": "Accepted"|"Warning"|"Rejected", "reason": ...}`, the reason only if there is one."""
        warning = "warning: \n  " + "\n".join(self.warnings) if self.warnings else ""
        if self.errors:
            return {"state": "Rejected", "reason": "\n".join(filter(None, [_joined(self.errors), warning]))}
        if warning:
            return {"state": "Warning", "reason": warning}
        return {"state": "Accepted"}


def upstream_state(errors: list[str]) -> Json:
    """Return an Upstream's state. One in error only loses its cluster: Gloo turns its errors into one warning."""
    return Report(warnings=[_joined(errors)] if errors else []).state()


def gateway_status(own: Report, proxy: Json) -> Json:
    """Return the status of a VirtualService or RouteTable: its own state, and the proxy's, which all of them share."""
    return {"reportedBy": "gloo", **own.state(), "subresourceStatuses": {PROXY: proxy}}


def upstream_status(errors: list[str]) -> Json:
    return {"reportedBy": "gloo", **upstream_state(errors)}


def _joined(errors: list[str]) -> str:
    """Return one text of several errors, in the notation of the Go library that Gloo uses for it."""
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    lines = "\n\t".join(f"* {error}" for error in errors)
    return f"{count} occurred:\n\t{lines}\n\n"
