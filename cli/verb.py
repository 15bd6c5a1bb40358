"""A verb as a command of typer's: plain names in its help and plain words of what was typed wrongly."""

from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand

_CHECKERS_WORDS = "Value error, "


class _Argument(TyperArgument):
    """An argument whose help has its name alone: `FILE`, where typer adds the type that Python knows."""

    def display_type_rich(self, ctx: Any) -> str | None:  # noqa: ARG002  the same in every context
        return None


class VerbCommand(TyperCommand):
    """A verb."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):
                parameter.__class__ = _Argument

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return `FILE...` where typer has `{FILE}...`: what is not in brackets must be there."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave out of a message what the library that checks it puts before each."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(_CHECKERS_WORDS)
            raise
