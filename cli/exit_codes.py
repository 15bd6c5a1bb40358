"""What the command says to the shell; docs/cli.md has them for users."""

from enum import IntEnum


class ExitCode(IntEnum):
    """One number has one meaning in every verb that can end with it."""

    OK = 0
    FAULTS = 1
    """Files: something would be refused. A run: it was rolled back. A request: it was refused."""
    USAGE = 2
    SUPERSEDED = 3
    """Another revision took the run's place."""
    TIMED_OUT = 4
    """Not in the time given: the run has not ended, or the agent has not answered."""
    WAITS = 5
    """The run waits for a gate, or for somebody to resume it."""
    CLUSTER = 6
    """The cluster could not be asked: unreachable, no rights, no CRDs, no usable kubeconfig."""
