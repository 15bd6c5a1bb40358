"""What can go wrong between a verb and the cluster, as one line and an exit code."""

from canary.api.shown import printable
from cli.exit_codes import ExitCode
from kube.errors import ConfigError, Forbidden, KubeError, NotFound, Rejected, TransientError, Unauthorized

_PLURAL_WORD = "canaries.flagger.app"


class Failed(Exception):  # noqa: N818  reads as what happened
    """The verb ends with this line on stderr, and this exit code."""

    def __init__(self, line: str, code: ExitCode = ExitCode.CLUSTER) -> None:
        super().__init__(printable(line))
        self.code = code


def failed(error: KubeError, host: str = "") -> Failed:
    """Return the line for an error of the API server's."""
    match error:
        case ConfigError():
            return Failed(error.message)
        case Forbidden():
            return Failed(f"no right: {error.message}; `kubectl auth can-i --list` shows those you have")
        case Unauthorized():
            return Failed(f"{host} does not know who you are (401): log in again, as for kubectl")
        case Rejected():
            return Failed(f"refused: {error.message}", ExitCode.FAULTS)
        case NotFound() if error.resource is not None and "does not serve" in error.message:
            return Failed(
                f"{host} does not serve {error.resource.plural} of {error.resource.api_version}: is Serin installed "
                f"there? `kubectl get crd {_PLURAL_WORD}`"
            )
        case TransientError() if error.status is None:
            return Failed(
                f"can't reach the API server {host}: {error.message.removeprefix(f'no connection to {host}: ')}"
            )
    return Failed(str(error))
