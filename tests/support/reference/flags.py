"""The flags of our programs, as their parsers have them."""

import argparse
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

import agent.__main__
import webhook.__main__
import webhook.authority
from canary.rules.urls import HTTP_URL
from cli.app import app
from loadtester.options import build_parser
from tests.support.reference.page import code, codes, page, section, sentence, table

_HEAD = ("flag", "default", "meaning")


def flags_page() -> str:
    """Return the page of the flags of the programs that run in the cluster."""
    return page(
        "Flags",
        "What the containers of `manifests/` are started with. Where a variable is named, its value in the "
        "environment counts unless the flag is given: secrets belong there. Of the agent's, `SLACK_*`, `MSTEAMS_*` and "
        "`EVENT_WEBHOOK_URL` count before the flag, as in Flagger. A flag that may be given several "
        f"times also takes one value with commas. An address is {HTTP_URL}.",
        section(
            "The agent",
            "`python -m agent`. Flagger's spelling works, too: `-slack-url=...`, `-enable-leader-election=true`, "
            "`-enable-config-tracking=false`. What of Flagger's command line means nothing here is taken, and named in "
            "the log: [flag by flag](../compatibility.md#flags).",
            _of_function(agent.__main__.main),
        ),
        section("The webhook", "`python -m webhook`", _of_function(webhook.__main__.main)),
        section("The webhook's authority", "`python -m webhook.authority`", _of_function(webhook.authority.main)),
        section(
            "The load tester",
            "`python -m loadtester`; `-port=8080`, as for Flagger's, works, too. From the environment only, for "
            "hooks run commands and every process of the pod can read a command line: `HOOK_KEY`, the key of its "
            "namespace, and `HOOK_MASTER_KEY`, the agent's own ([who calls](../concepts/hooks.md)).",
            _of_parser(build_parser()),
        ),
    )


def command_page() -> str:
    """Return the page of the command `serin`."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    verbs = [command for command in group.commands.values() if isinstance(command, TyperCommand) and not command.hidden]
    return page(
        "The command `serin`",
        "Every verb with its options; [the command](../cli.md) has examples, and what the exit codes mean.",
        section("Before any verb", _options(group)),
        *(
            section(code(f"serin {verb.name} {_arguments(verb)}".rstrip()), _help(verb), _options(verb))
            for verb in verbs
        ),
    )


def _of_function(main: Callable[..., None]) -> str:
    program = typer.Typer(add_completion=False)
    program.command()(main)
    return _options(typer.main.get_command(program))


def _options(command: Any) -> str:
    options = [option for option in command.params if isinstance(option, TyperOption) and not option.hidden]
    return table(_HEAD, (_row(option) for option in options)) if options else ""


def _row(option: TyperOption) -> tuple[str, str, str]:
    names = codes([*option.opts, *option.secondary_opts])
    meaning = sentence(option.help or "")
    if option.envvar:
        meaning += f" Variable `{option.envvar}`."
    if option.multiple:
        meaning += " May be given several times."
    choices = _choices(option.type_descriptor.annotation)
    if choices:
        meaning += f" Allowed: {codes(map(_shown, choices))}."
    return names, _default(option), meaning


def _choices(annotation: Any) -> tuple[object, ...]:
    """Return what an option may be, where that is an enumeration or a choice of texts."""
    is_enumeration = isinstance(annotation, type) and issubclass(annotation, Enum)
    return tuple(annotation) if is_enumeration else get_args(annotation) if get_origin(annotation) is Literal else ()


def _default(option: TyperOption) -> str:
    default = option.default
    if default is None or callable(default) or default in ([], ""):
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return code(_shown(default))


def _shown(value: object) -> str:
    return str(getattr(value, "value", value))


def _arguments(command: TyperCommand) -> str:
    return " ".join(_argument(param) for param in command.params if isinstance(param, TyperArgument))


def _argument(argument: TyperArgument) -> str:
    name = argument.metavar or argument.name
    shown = f"{name}..." if argument.nargs == -1 else name
    return shown if argument.required else f"[{shown}]"


def _help(command: TyperCommand) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))


def _of_parser(parser: argparse.ArgumentParser) -> str:
    return table(_HEAD, _parsed_rows(parser))


def _parsed_rows(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        meaning, _, default = (action.help or "").removesuffix(")").partition(" (default")
        shown = default.strip(" :") or str(action.default)
        allowed = f" Allowed: {codes(map(str, action.choices))}." if action.choices else ""
        yield code(action.option_strings[0]), shown, f"{sentence(meaning)}{allowed}"
