"""Hooks' payloads: what runs, and what is refused with its path, the value found and what is allowed."""

import json
from typing import Any

import pytest

from loadtester.hook import HookType, parse_hook
from loadtester.payload import PayloadError


def _body(**metadata: Any) -> bytes:
    payload = {"name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": "1a2b", "metadata": metadata}
    return json.dumps(payload).encode()


def test_a_payload_as_flagger_sends_it_is_read() -> None:
    hook = parse_hook(_body(type="bash", cmd="curl -sf http://podinfo-canary:9898 | grep ok", logCmdOutput="true"))

    assert (hook.type, str(hook.canary)) == (HookType.BASH, "podinfo.test")
    assert hook.command == "curl -sf http://podinfo-canary:9898 | grep ok"
    assert hook.is_output_logged
    assert not hook.is_output_returned


def test_a_hook_without_type_is_cmd() -> None:
    assert parse_hook(_body(cmd="hey http://podinfo")).type is HookType.CMD


@pytest.mark.parametrize(
    ("kind", "argv"),
    [
        ("cmd", ("sh", "-c", "test podinfo  --timeout '1m'")),
        ("bash", ("bash", "-c", "test podinfo  --timeout '1m'")),
        ("helm", ("helm", "test", "podinfo", "--timeout", "'1m'")),
        ("helmv3", ("helm", "test", "podinfo", "--timeout", "'1m'")),
        ("kubectl", ("kubectl", "test", "podinfo", "--timeout", "'1m'")),
    ],
)
def test_a_shell_gets_the_command_and_a_program_its_words(kind: str, argv: tuple[str, ...]) -> None:
    assert parse_hook(_body(type=kind, cmd="test podinfo  --timeout '1m'")).argv == argv


def test_the_names_may_be_missing_and_unknown_keys_are_ignored() -> None:
    hook = parse_hook(b'{"extra": [1], "metadata": {"cmd": "true", "other": "thing"}}')

    assert (hook.canary.name, hook.canary.namespace) == ("", "")


@pytest.mark.parametrize(("word", "is_on"), [("1", True), ("T", True), ("True", True), ("yes", False), ("0", False)])
def test_switches_read_the_words_of_gos_parsebool(word: str, *, is_on: bool) -> None:
    hook = parse_hook(_body(cmd="true", logCmdOutput=word, returnCmdOutput=word))

    assert hook.is_output_logged is is_on
    assert hook.is_output_returned is is_on


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body: found b'', allowed is a hook's payload, a JSON object (Expecting value"),
        (b"\xff", "body: found b'\\xff', allowed is a hook's payload"),
        (b"[" * 100_000, "body: found b'[[[["),
        (b'["a"]', 'body: found ["a"], allowed is a hook\'s payload, a JSON object'),
        (b"{}", "metadata: found null, allowed is an object of strings"),
        (b'{"metadata": {}}', "metadata: found {}, allowed is an object of strings"),
        (b'{"name": 7, "metadata": {"cmd": "true"}}', "name: found 7, allowed is a string"),
        (
            _body(type="concord", cmd="test"),
            'metadata.type: found "concord", allowed is cmd or bash or helm or helmv3 or kubectl',
        ),
        (_body(type=["cmd"], cmd="true"), 'metadata.type: found ["cmd"], allowed is a string'),
        (_body(type="bash"), 'metadata.cmd: found "", allowed is a shell command, not empty'),
        (_body(cmd="  "), 'metadata.cmd: found "  ", allowed is a shell command, not empty'),
        (_body(cmd="a\0b"), 'metadata.cmd: found "a\\u0000b", allowed is a shell command'),
        (_body(cmd="a\ud800b"), 'metadata.cmd: found "a\\ud800b", allowed is a shell command'),
        (_body(cmd="true", logCmdOutput=True), "metadata.logCmdOutput: found true, allowed is a string"),
    ],
)
def test_a_payload_that_cannot_run_is_refused_with_path_found_and_allowed(body: bytes, message: str) -> None:
    with pytest.raises(PayloadError) as refusal:
        parse_hook(body)

    assert message in str(refusal.value)
    assert len(str(refusal.value)) < 500
