"""A Secret's data is read back as it was written; whatever is damaged is named and left out, and nothing else."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.authority import new_authority
from certs.material import Material, read_material, write_material

NOW_S = 1_800_000_000.0
SOURCE = "Secret gloo-system/serin-webhook-tls"


def material() -> Material:
    old, new = (new_authority("test", ["a"], now_s=NOW_S, lifetime_s=1000.0) for _ in range(2))
    leaf = old.sign_leaf({"a.test"}, now_s=NOW_S, lifetime_s=100.0)
    return Material((new.certificate, old.certificate), new.key_pem, leaf, published_at_s=NOW_S)


WHOLE = material()
OTHER = write_material(material())
KEYS = ["ca.crt", "ca.key", "published-at", "tls.crt", "tls.key"]


def encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def test_what_was_written_is_read() -> None:
    data = write_material(WHOLE)
    assert sorted(data) == KEYS
    assert read_material(data, source=SOURCE) == (WHOLE, ())


def test_nothing_is_written_for_what_is_not_there() -> None:
    assert "published-at" not in write_material(replace(WHOLE, published_at_s=None))
    assert write_material(Material()) == {}


def test_the_bundle_holds_all_authorities_newest_first() -> None:
    assert WHOLE.ca_bundle() == write_material(WHOLE)["ca.crt"]
    assert base64.b64decode(WHOLE.ca_bundle()).count(b"BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("key", "value", "left", "error"),
    [
        ("tls.crt", "", replace(WHOLE, leaf=None), "tls.crt: found nothing; allowed is certificates in PEM"),
        (
            "tls.crt",
            OTHER["tls.crt"],
            replace(WHOLE, leaf=None),
            f"tls.key: found the key of another certificate; allowed is the key of the one in {SOURCE}: tls.crt",
        ),
        (
            "tls.key",
            encode(b"hello"),
            replace(WHOLE, leaf=None),
            "tls.key: found 5 bytes that are none; allowed is an unencrypted private key in PEM",
        ),
        ("ca.key", "", replace(WHOLE, authority_key=None), "ca.key: found nothing; allowed is an unencrypted private"),
        (
            "ca.key",
            OTHER["ca.key"],
            replace(WHOLE, authority_key=None),
            "ca.key: found another key; allowed is the key of the first authority in ca.crt",
        ),
        (
            "ca.crt",
            "no base64!",
            Material(published_at_s=NOW_S),
            "ca.crt: found something that is not base64; allowed is base64",
        ),
        (
            "ca.crt",
            write_material(WHOLE)["tls.crt"],
            Material(published_at_s=NOW_S),
            "ca.crt: found CN=a.test, which is none; allowed is authorities with an ECDSA key",
        ),
        (
            "published-at",
            encode(b"soon"),
            replace(WHOLE, published_at_s=None),
            "published-at: found 4 bytes that are no number; allowed is epoch seconds",
        ),
    ],
)
def test_a_damaged_key_is_named_and_costs_only_what_hangs_on_it(
    key: str, value: str, left: Material, error: str
) -> None:
    found, errors = read_material(write_material(WHOLE) | {key: value}, source=SOURCE)
    assert found == left
    assert len(errors) == 1
    assert str(errors[0]).startswith(f"{SOURCE}: {error}")


def test_a_leaf_of_another_authority_is_no_use() -> None:
    data = write_material(WHOLE)
    found, errors = read_material(data | {key: OTHER[key] for key in ("tls.crt", "tls.key")}, source=SOURCE)
    assert found == replace(WHOLE, leaf=None)
    assert [str(error) for error in errors] == [
        f"{SOURCE}: tls.crt: found a certificate of another authority; allowed is one signed by those in ca.crt"
    ]


def test_no_error_shows_a_key_that_was_put_in_the_wrong_place() -> None:
    data = write_material(WHOLE)
    key = base64.b64decode(data["tls.key"]).splitlines()[1].decode()
    for wrong in KEYS:
        _, errors = read_material(data | {wrong: data["tls.key"]}, source=SOURCE)
        assert not any(key[:8] in str(error) for error in errors)


def damaged(key: str) -> st.SearchStrategy[str]:
    whole = base64.b64decode(write_material(WHOLE)[key])
    return st.one_of(
        st.sampled_from([*write_material(WHOLE).values(), *OTHER.values()]),
        st.binary(max_size=60).map(encode),
        st.text(max_size=20),
        st.integers(0, len(whole)).map(lambda cut: encode(whole[:cut])),
    )


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional={key: damaged(key) for key in KEYS}))
def test_any_data_is_read_and_what_is_taken_can_be_stored_again(data: dict[str, str]) -> None:
    found, _ = read_material(data, source=SOURCE)
    again, errors = read_material(write_material(found), source=SOURCE)
    assert again == found
    assert not [error for error in errors if "nothing" not in str(error)]
