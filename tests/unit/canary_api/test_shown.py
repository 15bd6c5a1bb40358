"""What is shown of outside text: one line, no escape sequences, no secrets, of bounded length."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canary.api.shown import shown, shown_url
from canary.run.messages import Alert, Message
from canary.run.state import Blocker


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("all is well", "all is well"),
        ("one\r\ntwo\tthree\u2028four", "one  two three four"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("a\x00b\x7fc\x9bd", "a\ufffdb\ufffdc\ufffdd"),
        ("evil\u202egnp.exe\u200b", "evil\ufffdgnp.exe\ufffd"),
        ("lone \ud800", "lone \ufffd"),
        ("at http://svc:hunter2@prom.test/api", "at http://…@prom.test/api"),
        ("at 'http://svc:p@ss@prom.test'", "at 'http://…@prom.test'"),
        (
            "http://a.test/?token=s3cret&x=1 and https://b.test/y?k=v#z",
            "http://a.test/?token=…&x=… and https://b.test/y?k=…#z",
        ),
        ("redirected to 'http://a.test/?token=s3cret'", "redirected to 'http://a.test/?token=…'"),
        ('q{a="b"} > 1 ? 2', 'q{a="b"} > 1 ? 2'),
        ("x://a\x1fb@c", "x://…@c"),
        ("x://a\x1cb?k=v", "x://a\ufffdb?k=…"),
    ],
)
def test_what_is_shown(text: str, seen: str) -> None:
    assert shown(text) == seen


def test_a_long_text_is_cut_with_a_sign_of_it() -> None:
    assert shown("x" * 5000) == "x" * 4095 + "…"
    assert shown("xyz", 2) == "x…"


# What the patterns look for, and what they end at; runs of characters are about as long as the patterns reach.
PIECES = [
    "://",
    "@",
    "?",
    "=",
    "&",
    ";",
    "#",
    "'",
    " ",
    "\n",
    "\x1b",
    "\x1f",
    "\x1c",
    "\u2028",
    "\x85",
    "\u3000",
    "…",
    "k=",
    "u:p@",
]
RUNS = st.builds(str.__mul__, st.sampled_from(["a", "@", "=", "\x1f", "…"]), st.integers(1, 2_100))
RICH = st.lists(st.sampled_from(PIECES) | st.text(max_size=3) | RUNS, max_size=30).map("".join)


@given(st.text() | st.text(alphabet="ht:/p@?=& \n\x1bsecret") | RICH, st.integers(2, 60) | st.integers(1_000, 4_200))
@example("x://a\x1fb@c", 4_096)
@example("x://u:p@h?k=" + "\x1f" * 20_000, 4_096)
@example("x://" + "u@" * 1_100 + "x?k=v", 4_096)
def test_it_is_one_printable_line_and_shown_again_the_same(text: str, most: int) -> None:
    seen = shown(text, most)
    assert seen.isprintable()
    assert len(seen) <= most
    assert shown(seen, most) == seen


@pytest.mark.parametrize("around", range(4_090, 4_103))
@pytest.mark.parametrize("end", ["?k=v&l=", "://u:p@h", "\x1f\n", "@://?="])
def test_at_the_limit_it_is_shown_again_the_same(around: int, end: str) -> None:
    seen = shown("x://h/" + "a" * (around - 6) + end)
    assert len(seen) <= 4_096
    assert shown(seen) == seen


def test_a_blocker_that_is_read_back_is_the_one_that_was_stored() -> None:
    fresh = Blocker("InvalidSpec", "found 'x://a\x1fb@c'")
    assert Blocker("InvalidSpec", fresh.message) == fresh


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://svc:hunter2@prom.test:9090/base?token=x#y", "https://prom.test:9090/base"),
        ("http://[::1", "its url"),
    ],
)
def test_of_a_url_scheme_host_and_path_are_shown(url: str, seen: str) -> None:
    assert shown_url(url) == seen


def test_events_alerts_and_conditions_say_nothing_that_is_not_fit_to_be_shown() -> None:
    text, seen = "no\n\x1b[2J at http://u:p@a.test/?k=v", "no \ufffd[2J at http://…@a.test/?k=…"
    assert Message(text).text == seen
    assert (Alert("info", text, text).text, Alert("info", text, text).reason) == (seen, seen)
    assert Blocker("InvalidSpec", text).message == seen
