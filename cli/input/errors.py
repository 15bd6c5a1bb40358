"""What can't be read of the files that somebody named."""


class BadInput(Exception):  # noqa: N818  reads as what it is
    """One line that says which input can't be used, and why."""


class NotYaml(BadInput):
    """A file that is no YAML. `line` and `column` begin with 1."""

    def __init__(self, source: str, line: int, column: int, why: str) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.why = why
        super().__init__(f"{source}:{line}:{column}: {why}")
