"""What an authority signs is accepted by a strict verifier, for its names and its time only."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs.authority import CLOCK_SKEW_S, Authority, new_authority, permits, service_names
from certs.leaf import Leaf

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0
NAMES = service_names("serin-webhook", "gloo-system")


def verify(leaf: Leaf, *trusted: x509.Certificate, name: str = "serin-webhook.gloo-system.svc", at_s: float) -> None:
    """Raises VerificationError."""
    policy = PolicyBuilder().store(Store(list(trusted))).time(datetime.fromtimestamp(at_s, UTC))
    policy.build_server_verifier(x509.DNSName(name)).verify(leaf.certificate, [])


@pytest.fixture(scope="module")
def authority() -> Authority:
    return new_authority("test", NAMES, now_s=NOW_S, lifetime_s=300 * DAY_S)


@pytest.fixture(scope="module")
def leaf(authority: Authority) -> Leaf:
    return authority.sign_leaf(NAMES, now_s=NOW_S, lifetime_s=90 * DAY_S)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_leaf_is_accepted_under_each_of_its_names(authority: Authority, leaf: Leaf, name: str) -> None:
    verify(leaf, authority.certificate, name=name, at_s=NOW_S)


def test_a_leaf_is_refused_under_another_name(authority: Authority, leaf: Leaf) -> None:
    with pytest.raises(VerificationError):
        verify(leaf, authority.certificate, name="serin-webhook.other.svc", at_s=NOW_S)


@pytest.mark.parametrize("name", ["example.com", "kubernetes.default.svc", "other.gloo-system.svc"])
def test_what_an_authority_signs_for_others_is_refused(authority: Authority, name: str) -> None:
    """Its key, stolen, makes nobody else's certificate; and none for an address, which is what pods are asked under."""
    leaf = authority.sign_leaf([name], now_s=NOW_S, lifetime_s=DAY_S)
    with pytest.raises(VerificationError, match=r"(?i)name constraint|permitted|subtree"):
        verify(leaf, authority.certificate, name=name, at_s=NOW_S)
    limits = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert [str(address.value) for address in limits.value.excluded_subtrees or ()] == ["0.0.0.0/0", "::/0"]


def test_an_authority_permits_the_names_that_it_was_made_for(authority: Authority) -> None:
    assert permits(authority.certificate, NAMES)
    assert not permits(authority.certificate, service_names("serin-webhook", "other"))


def test_a_leaf_of_another_authority_is_refused(leaf: Leaf) -> None:
    other = new_authority("test", NAMES, now_s=NOW_S, lifetime_s=DAY_S)
    assert not leaf.is_signed_by(other.certificate)
    with pytest.raises(VerificationError):
        verify(leaf, other.certificate, at_s=NOW_S)


def test_clients_may_be_late_by_the_skew_and_no_more(authority: Authority, leaf: Leaf) -> None:
    verify(leaf, authority.certificate, at_s=NOW_S - CLOCK_SKEW_S)
    with pytest.raises(VerificationError):
        verify(leaf, authority.certificate, at_s=NOW_S - CLOCK_SKEW_S - 1)
    verify(leaf, authority.certificate, at_s=leaf.expires_at_s)
    with pytest.raises(VerificationError):
        verify(leaf, authority.certificate, at_s=leaf.expires_at_s + 1)


def test_a_leaf_never_outlives_its_authority(authority: Authority) -> None:
    late = authority.sign_leaf(NAMES, now_s=NOW_S + 290 * DAY_S, lifetime_s=90 * DAY_S)
    assert late.expires_at_s == NOW_S + 300 * DAY_S


def test_a_leaf_can_sign_nothing_and_is_for_servers_only(leaf: Leaf) -> None:
    extensions = leaf.certificate.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign) == (True, False)
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_two_authorities_of_one_name_have_different_subjects() -> None:
    first, second = (new_authority("test", NAMES, now_s=NOW_S, lifetime_s=DAY_S) for _ in range(2))
    assert first.certificate.subject != second.certificate.subject


def test_the_longest_namespace_makes_no_certificate_fail() -> None:
    names = service_names("serin-webhook", "n" * 63)
    authority = new_authority("test", names, now_s=NOW_S, lifetime_s=300 * DAY_S)
    leaf = authority.sign_leaf(names, now_s=NOW_S, lifetime_s=DAY_S)
    assert leaf.names == names
    verify(leaf, authority.certificate, name=f"serin-webhook.{'n' * 63}.svc", at_s=NOW_S)
