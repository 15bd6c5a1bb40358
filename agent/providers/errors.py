"""What can go wrong at the outside.

ProviderError            the provider gave no usable answer: nothing is known of the revision
  ProviderUnavailable    not reached, too late, or a server error: ask again later
  ProviderRefused        it understood and refused: a query or an address to be mended
"""


class ProviderError(Exception):
    """The provider gave no usable answer. The message names the provider's address and what it said."""


class ProviderUnavailable(ProviderError):  # noqa: N818  named for what happened, as kube/errors.py does
    """Not reached, too late, or a server error. `retry_after_s` is the wait that the server asked for (0: none)."""

    retry_after_s: float = 0.0


class ProviderRefused(ProviderError):  # noqa: N818  named for what happened, as kube/errors.py does
    """Understood and refused, or answered with something that is not a number."""
