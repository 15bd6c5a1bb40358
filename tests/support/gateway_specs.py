"""Specs of Canaries, drawn at random, for everything of them that reaches Envoy.

Most are accepted by admission: texts are what people write, with now and then a character that nobody does.
"""

from typing import Any

from hypothesis import strategies as st

from tests.support.header_values import header_values

Json = dict[str, Any]

_ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NAME = st.text("abzAZ09-_.!#$&'*+^`|~", min_size=1, max_size=12)
_PATH = st.text("abz/AZ09-_.%~éß€ ()[]{}*+?\\^$|", max_size=20).map(lambda text: f"/{text}")
_VALUE = st.one_of(st.text("abz AZ09-_.;,=%é()[]{}*+?\\^$|", max_size=20), _ODD)
_REGEX = st.one_of(
    st.sampled_from(
        [".*", "[a-z]+", "a|b", "(?i)x", r"\d{1,3}", "^a$", r"\pL+", "(a(b(c)))", "x{100}", "", r"\\", "."]
    ),
    st.text(r"ab.*+?()[]{}|\^$d0123,", max_size=12),
)
_LENGTHY = st.sampled_from([0, 900, 1_024, 1_025, 3_000]).map(lambda length: "a" * length)
_PARAMETER = st.one_of(
    _NAME,
    _VALUE.filter(bool),
    st.sampled_from([("q", 1_024), ("\u00e9", 512), ("\u00e9", 513)]).map(lambda of: of[0] * of[1]),
)
_DURATION = st.sampled_from(
    ["0s", "1s", "500ms", "1m30s", "1ns", "8784h", "15s", "0.1s", "300h", "31622400s", "1h", "8784h0m0.5s", "2562047h"]
)


def _string_match(*ways: str) -> st.SearchStrategy[Json]:
    text = st.one_of(_VALUE, _VALUE, _LENGTHY)
    return st.one_of(
        *(st.fixed_dictionaries({way: text}) for way in ways or ("exact", "prefix", "suffix")),
        st.fixed_dictionaries({"regex": st.one_of(_REGEX, _LENGTHY)}),
        st.fixed_dictionaries({"present": st.booleans()}),
    )


def _uri() -> st.SearchStrategy[Json]:
    path = st.one_of(_PATH, _LENGTHY.map(lambda text: f"/{text}"))
    return st.one_of(
        *(st.fixed_dictionaries({way: path}) for way in ("exact", "prefix")),
        st.fixed_dictionaries({"regex": _REGEX.map(lambda value: f"/{value}")}),
    )


def _entry() -> st.SearchStrategy[Json]:
    conditions = st.dictionaries(st.one_of(_NAME, st.just(":path")), _string_match(), max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "uri": _uri(),
            "ignoreUriCase": st.booleans(),
            "method": st.one_of(st.sampled_from([{"exact": "GET"}, {"regex": "P.*T"}]), _string_match()),
            "authority": _string_match(),
            "scheme": st.just({"exact": "https"}),
            "headers": conditions,
            "withoutHeaders": conditions,
            "queryParams": st.dictionaries(_PARAMETER, _string_match("exact", "prefix"), max_size=2),
        },
    )


def _operations() -> st.SearchStrategy[Json]:
    name = st.one_of(_NAME, _NAME, st.sampled_from(["content-length", "x" * 256, "Set-Cookie"]))
    value = st.one_of(header_values(), header_values(), _VALUE, st.integers(16_000, 16_500).map(lambda n: "v" * n))
    values = st.dictionaries(name, value, max_size=3)
    return st.fixed_dictionaries({}, optional={"set": values, "add": values, "remove": st.lists(name, max_size=3)})


def services() -> st.SearchStrategy[Json]:
    """Draw what is done to requests."""
    cors = {
        "allowOrigin": st.lists(st.sampled_from(["*", "https://a.b"]), max_size=2),
        "allowOrigins": st.lists(
            st.one_of(_string_match(), st.sampled_from([{"regex": ""}, {"prefix": ""}])), max_size=2
        ),
        "allowMethods": st.lists(_NAME, max_size=2),
        "allowHeaders": st.lists(_NAME, max_size=2),
        "exposeHeaders": st.lists(_NAME, max_size=2),
        "maxAge": _DURATION,
        "allowCredentials": st.booleans(),
    }
    rewrite = {
        "uri": st.one_of(_PATH, _PATH, _PATH, _ODD.map(lambda text: f"/{text}")),
        "authority": st.one_of(st.sampled_from(["a.b:80", "a.b", "\u00e9", ""]), _NAME, _ODD),
        "type": st.sampled_from(["ReplaceFullPath", "ReplacePrefixMatch", ""]),
    }
    retries = {
        "attempts": st.one_of(st.integers(0, 100), st.sampled_from([1, 100, 2**32])),
        "perTryTimeout": _DURATION,
        "retryOn": st.one_of(st.sampled_from(["5xx", "5xx,reset", "x", ",,"]), _ODD),
    }
    headers = st.fixed_dictionaries({}, optional={"request": _operations(), "response": _operations()})
    return st.fixed_dictionaries(
        {},
        optional={
            "timeout": _DURATION,
            "retries": st.fixed_dictionaries({}, optional=retries),
            "rewrite": st.fixed_dictionaries({}, optional=rewrite),
            "headers": headers,
            "corsPolicy": st.fixed_dictionaries({}, optional=cors),
        },
    )


def analyses() -> st.SearchStrategy[Json]:
    """Draw how users are chosen: by conditions, by a cookie, or not at all."""
    cookie = st.fixed_dictionaries(
        {"cookieName": st.one_of(_NAME, st.integers(1, 300).map(lambda length: "c" * length))},
        optional={
            "primaryCookieName": _NAME.map(lambda name: f"p{name}"),
            "domain": st.sampled_from(["a.b", "", "\u00e9"]),
            "path": st.one_of(_PATH, st.integers(1, 1_100).map(lambda length: "/" + "%" * length)),
            "maxAge": st.integers(0, 10**9),
            "sameSite": st.sampled_from(["Lax", "Strict", "None"]),
            "secure": st.booleans(),
        },
    )
    match = st.lists(_entry(), min_size=1, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"match": match, "iterations": st.just(3)}),
        st.fixed_dictionaries({"match": match, "stepWeight": st.just(20)}),
        st.fixed_dictionaries({"stepWeight": st.just(20)}, optional={"sessionAffinity": cookie}),
        st.just({"iterations": 3, "mirror": True}),
    )


def main_matchers() -> st.SearchStrategy[list[Json]]:
    """Draw what users may have narrowed the main route to; mostly nothing."""
    named = st.one_of(
        st.just({"prefix": "/v2"}), st.just({"regex": "/v[12]/.*"}), st.just({"exact": "/v2", "methods": ["GET"]})
    )
    return st.one_of(st.just([]), st.just([]), st.lists(named, min_size=1, max_size=2))
