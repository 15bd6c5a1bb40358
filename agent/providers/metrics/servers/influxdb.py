"""InfluxDB 2's query API, which takes Flux. Source: InfluxDB 2.7's API reference, and its "Annotated CSV"."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.exchange import Answer, Exchange
from agent.providers.metrics.port import Question

TOKEN: Final = "token"  # noqa: S105  the name of a Secret's key
ORG: Final = "org"

_MEND: Final = "for example by |> group() before the last step"
_ONE_POINT: Final = "one point, for example by |> mean() or |> last() at the end"
_NOT_INFLUXDB: Final = "not an answer of InfluxDB"

# What `code` of an error may be. Source: InfluxDB's `kit/platform/errors`.
_CODES: Final = frozenset(
    {
        *("internal error", "not implemented", "not found", "conflict", "invalid", "unprocessable entity", "forbidden"),
        *("empty value", "unavailable", "too many requests", "unauthorized", "method not allowed", "request too large"),
    }
)
_NUMBERS: Final = frozenset({"double", "long", "unsignedLong", ""})
_VALUE: Final = "_value"


@dataclass(slots=True)
class _Schema:
    """What the lines above a table say of its columns."""

    annotations: dict[str, list[str]] = field(default_factory=dict)
    header: list[str] | None = None

    def of(self, annotation: str, column: int) -> str:
        """Return what an annotation says of a column, empty where it says nothing."""
        row = self.annotations.get(annotation, [])
        return row[column] if column < len(row) else ""


@dataclass(frozen=True, slots=True)
class _Record:
    """A line of a table: `table` tells it from the lines of others; `kind` is the type of its value."""

    table: tuple[str, str]
    kind: str
    value: str


class InfluxDB:
    """One server, and an organisation of it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        credentials = exchange.connection.credentials
        self._organisation = {"org": credentials[ORG]} if ORG in credentials else {}
        self._headers = {"Accept": "application/csv", "Content-Type": "application/json"}
        if TOKEN in credentials:
            self._headers["Authorization"] = f"Token {credentials[TOKEN]}"

    async def value(self, asked: Question) -> float | None:
        """Return the one value of the one table that the query gives."""
        dialect = {"header": True, "delimiter": ",", "annotations": ["datatype", "group", "default"]}
        answer = await self._exchange.send(
            "POST",
            "/api/v2/query",
            params=self._organisation,
            content=orjson.dumps({"query": asked.text, "type": "flux", "dialect": dialect}),
            headers=self._headers,
        )
        self._exchange.check(answer, self._said)
        try:
            records = list(self._records(csv.reader(io.StringIO(answer.body.decode(), newline=""))))
        except (csv.Error, UnicodeDecodeError) as error:
            raise self._exchange.refused(_NOT_INFLUXDB) from error
        tables = {record.table for record in records}
        if len(tables) > 1:
            raise self._exchange.several(len(tables), _MEND)
        if len(records) > 1:
            raise self._exchange.refused(f"the query gives {len(records)} points; allowed: {_ONE_POINT}")
        return self._number(records[0]) if records else None

    def _number(self, record: _Record) -> float | None:
        if record.kind not in _NUMBERS:
            raise self._exchange.refused("the value of the answer is no number; allowed: a number in _value")
        return self._exchange.number(record.value or None)

    def _records(self, rows: Iterable[list[str]]) -> Iterator[_Record]:
        """Read the tables: each group of annotations and a header begins behind an empty line, or a new annotation."""
        schema = _Schema()
        for row in rows:
            if not row:
                schema = _Schema()
            elif row[0].startswith("#"):
                schema = _Schema() if schema.header is not None else schema
                schema.annotations[row[0]] = row
            elif schema.header is None:
                self._check_header(row)
                schema.header = row
            else:
                yield self._record(schema, schema.header, row)

    def _check_header(self, row: list[str]) -> None:
        if row[1:] == ["error", "reference"]:
            return
        if not {"result", "table"} <= set(row):
            raise self._exchange.refused(_NOT_INFLUXDB)
        if _VALUE not in row:
            raise self._exchange.refused(f"the query gives no column {_VALUE}; allowed: tables with one")

    def _record(self, schema: _Schema, header: list[str], row: list[str]) -> _Record:
        if len(row) != len(header):
            raise self._exchange.refused(_NOT_INFLUXDB)
        if header[1:] == ["error", "reference"]:
            # The query ran, and ended in the middle.
            raise self._failed(row[1])
        found = {name: row[column] or schema.of("#default", column) for column, name in enumerate(header)}
        kind = schema.of("#datatype", header.index(_VALUE))
        return _Record((found["result"], found["table"]), kind, found[_VALUE])

    def _failed(self, text: str) -> ProviderRefused:
        words = self._exchange.words(text)
        return self._exchange.refused(f"the query failed{f': {words}' if words else ''}")

    def _said(self, answer: Answer) -> str:
        """Return what an error of InfluxDB says; one that is not like it may be anybody's."""
        try:
            body = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return ""
        code = body.get("code") if isinstance(body, dict) else None
        return self._exchange.words(body.get("message")) if isinstance(code, str) and code in _CODES else ""
