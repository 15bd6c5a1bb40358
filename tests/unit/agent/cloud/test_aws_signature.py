"""Signature Version 4 against the vectors that AWS published for it (aws-sig-v4-test-suite, Apache-2.0)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.providers.cloud.aws_signature import AwsKeys, Unsigned, signed_headers

NOW_S = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
# name, request, session token, names of signed headers, signature
VECTORS: list[tuple[str, dict[str, Any], str, str, str]] = [
    (
        "get-vanilla",
        {},
        "",
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-vanilla-with-session-token",
        {},
        "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
        "host;x-amz-date;x-amz-security-token",
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    ),
    (
        "get-vanilla-query-order-key-case",
        {"url": "https://example.amazonaws.com/?Param2=value2&Param1=value1"},
        "",
        "host;x-amz-date",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "get-header-value-trim",
        {"headers": {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}},
        "",
        "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "post-x-www-form-urlencoded",
        {"method": "POST", "headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": b"Param1=value1"},
        "",
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
]


@pytest.mark.parametrize(
    ("request_", "token", "names", "signature"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS]
)
def test_the_published_vectors(request_: dict[str, Any], token: str, names: str, signature: str) -> None:
    request = Unsigned(
        **{"method": "GET", "url": "https://example.amazonaws.com/", "headers": {}, "body": b""} | request_
    )
    keys = AwsKeys(access_key_id=KEY_ID, secret_access_key=SECRET, session_token=token)
    headers = signed_headers(request, keys, region="us-east-1", service="service", now_s=NOW_S)
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    assert headers["x-amz-date"] == "20150830T123600Z"
    assert headers.get("x-amz-security-token", "") == token


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://monitoring.eu-west-1.amazonaws.com", "monitoring.eu-west-1.amazonaws.com"),
        ("https://monitoring.eu-west-1.amazonaws.com:443/", "monitoring.eu-west-1.amazonaws.com"),
        ("http://127.0.0.1:4566/", "127.0.0.1:4566"),
        ("https://[::1]:4566/", "[::1]:4566"),
    ],
)
def test_the_host_is_signed_as_it_goes_out(url: str, host: str) -> None:
    keys = AwsKeys(access_key_id=KEY_ID, secret_access_key=SECRET)
    request = Unsigned(method="POST", url=url, headers={}, body=b"{}")
    assert signed_headers(request, keys, region="eu-west-1", service="monitoring", now_s=NOW_S)["host"] == host


def test_no_secret_is_in_a_text() -> None:
    keys = AwsKeys(access_key_id=KEY_ID, secret_access_key=SECRET, session_token="t0ken")
    assert SECRET not in repr(keys)
    assert "t0ken" not in repr(keys)
