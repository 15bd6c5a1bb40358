"""When certificates are replaced, as a pure function.

    day 0     authority 1, leaf of 1          clients trust 1
    day 60    authority 1, new leaf of 1      clients trust 1
    day 243   authority 2, leaf of 1          clients trust 2 and 1; the key of 1 is deleted
    +1 h      authority 2, leaf of 2          every client trusts 2 by now
    day 365   authority 2                     1 has expired, and is left out

An older authority stays until it has expired. Its leaves expire before it does, so that none is served any more by
then, not even by a replica without a connection; and it can sign nothing, because its key is gone.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from cryptography import x509

from certs.authority import Authority, new_authority, permits
from certs.material import Material

_DAY_S: Final = 86_400.0
# A certificate is replaced when this part of its life is left.
_SPARE: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """`overlap_s` is how long a new authority is published before a leaf of it is served.

    Raises:
        ValueError: a leaf would outlive its authority, or expire before the overlap is over.
    """

    authority_s: float = 365 * _DAY_S
    leaf_s: float = 90 * _DAY_S
    overlap_s: float = 3600.0

    def __post_init__(self) -> None:
        if not 0 < self.leaf_s <= self.authority_s * _SPARE:
            raise ValueError(f"found a leaf of {self.leaf_s:g} s; allowed is a third of {self.authority_s:g} s at most")
        if not 0 <= self.overlap_s < self.leaf_s * _SPARE:
            raise ValueError(f"found an overlap of {self.overlap_s:g} s; allowed is less than {self.leaf_s / 3:g} s")


def rotate(
    stored: Material, *, names: AbstractSet[str], now_s: float, lifetimes: Lifetimes, is_published: bool
) -> Material:
    """Return the material to be stored now: `stored` itself when nothing is due, never one without a usable leaf.

    `is_published`: every client trusts all authorities of `stored`. `now_s` is in epoch seconds.
    """
    material = _without_expired(stored, now_s)
    if material.authority_key is None or _is_superseded(material.authorities[0], names, now_s, lifetimes):
        material = _with_new_authority(material, names, now_s, lifetimes)
        is_published = False
    if material.leaf is None:
        return _with_new_leaf(material, names, now_s, lifetimes)
    if material.is_leaf_of_newest:
        is_wanted = names <= material.leaf.names and not _is_due(material.leaf.certificate, lifetimes.leaf_s, now_s)
        return material if is_wanted else _with_new_leaf(material, names, now_s, lifetimes)
    if material.published_at_s is None or material.published_at_s > now_s:
        return replace(material, published_at_s=now_s if is_published else None)
    if now_s - material.published_at_s < lifetimes.overlap_s:
        return material
    return _with_new_leaf(material, names, now_s, lifetimes)


def _without_expired(material: Material, now_s: float) -> Material:
    """Leave out what is not valid now, or belongs to what is not."""
    valid = tuple(certificate for certificate in material.authorities if _is_valid(certificate, now_s))
    leaf = material.leaf
    if leaf is not None and not (_is_valid(leaf.certificate, now_s) and any(map(leaf.is_signed_by, valid))):
        leaf = None
    if valid[:1] != material.authorities[:1]:
        return Material(valid, leaf=leaf)
    return replace(material, authorities=valid, leaf=leaf)


def _is_superseded(authority: x509.Certificate, names: AbstractSet[str], now_s: float, lifetimes: Lifetimes) -> bool:
    """Return whether it is time for the next authority, or this one was not made for these names."""
    return _is_due(authority, lifetimes.authority_s, now_s) or not permits(authority, names)


def _with_new_authority(material: Material, names: AbstractSet[str], now_s: float, lifetimes: Lifetimes) -> Material:
    authority = new_authority("serin-webhook", names, now_s=now_s, lifetime_s=lifetimes.authority_s)
    return Material((authority.certificate, *material.authorities), authority.key_pem, material.leaf)


def _with_new_leaf(material: Material, names: AbstractSet[str], now_s: float, lifetimes: Lifetimes) -> Material:
    assert material.authority_key is not None
    authority = Authority(material.authorities[0], material.authority_key)
    leaf = authority.sign_leaf(names, now_s=now_s, lifetime_s=lifetimes.leaf_s)
    return replace(material, leaf=leaf, published_at_s=None)


def _is_valid(certificate: x509.Certificate, now_s: float) -> bool:
    return certificate.not_valid_before_utc.timestamp() <= now_s < certificate.not_valid_after_utc.timestamp()


def _is_due(certificate: x509.Certificate, lifetime_s: float, now_s: float) -> bool:
    return certificate.not_valid_after_utc.timestamp() - now_s <= lifetime_s * _SPARE
