"""Header values that are accepted, drawn at random: texts with Envoy's variables of every form."""

import json

from hypothesis import strategies as st

from canary.rules.header_variables import PLAIN_VARIABLES

_TOKEN = st.text("abzABZ059!#$&'*+-.^_`|~", min_size=1, max_size=12)
_KEY = st.text("abzAZ09_.-/", min_size=1, max_size=12)
_LENGTH = st.one_of(st.just(""), st.integers(0, 999_999_999).map(lambda length: f":{length}"))
_CONVERSION = st.one_of(
    st.sampled_from("aAbBcCdDeFgGHhIjklmMpPrRsStTuUVwWxXyYzZ").map(lambda letter: f"%{letter}"),
    st.integers(1, 9).map(lambda digits: f"%{digits}f"),
    st.text("abnXYZ012 :.,/_+-", min_size=1, max_size=4),
)


def _header_name() -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(["", ":"]), _TOKEN).map("".join)


def _of_headers() -> st.SearchStrategy[str]:
    def joined(name: str, header: str, other: str, length: str) -> str:
        return f"%{name}({header}{other}){length}%"

    other = st.one_of(st.just(""), _header_name().map(lambda name: f"?{name}"))
    return st.builds(joined, st.sampled_from(["REQ", "RESP", "TRAILER"]), _header_name(), other, _LENGTH)


def _of_keys() -> st.SearchStrategy[str]:
    keys = st.lists(_KEY, min_size=1, max_size=3)
    plain, quoted = keys.map(":".join), keys.map(json.dumps)
    names = st.sampled_from(["DYNAMIC_METADATA", "CLUSTER_METADATA", "UPSTREAM_METADATA"])
    return st.one_of(
        st.builds("%{}({})%".format, names, st.one_of(plain, quoted)),
        st.builds("%DYNAMIC_METADATA({}){}%".format, plain, _LENGTH),
        st.builds("%FILTER_STATE({}{}){}%".format, _KEY, st.sampled_from(["", ":PLAIN", ":TYPED"]), _LENGTH),
        st.builds("%PER_REQUEST_STATE({})%".format, _KEY),
    )


def _of_times() -> st.SearchStrategy[str]:
    names = st.sampled_from(["START_TIME", "DOWNSTREAM_PEER_CERT_V_START", "UPSTREAM_PEER_CERT_V_END"])
    return st.builds("%{}({})%".format, names, st.lists(_CONVERSION, min_size=1, max_size=6).map("".join))


def header_values() -> st.SearchStrategy[str]:
    """Draw a value of texts, doubled percent signs and variables."""
    text = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="%"), max_size=12)
    piece = st.one_of(
        text,
        st.just("%%"),
        st.sampled_from(PLAIN_VARIABLES).map(lambda name: f"%{name}%"),
        st.sampled_from(["CAMEL_STRING", "SNAKE_STRING", "NUMBER"]).map(lambda form: f"%GRPC_STATUS({form})%"),
        _of_headers(),
        _of_keys(),
        _of_times(),
    )
    return st.lists(piece, max_size=5).map("".join)
