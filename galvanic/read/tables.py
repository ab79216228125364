"""Read tables (CSV) and JSON of which somebody named the columns: JSON lines, or one array of objects."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

from galvanic.errors import UserError
from galvanic.read.chat import DAMAGED, Message
from galvanic.read.entries import entries
from galvanic.read.fields import field, field_names
from galvanic.read.lines import head_text, lines, lines_with_ends, peekable
from galvanic.read.refusals import code, codes

_DELIMITERS = ",;\t|"
_UNTIL_NAMED = 1_000  # rows that may lack a column before it is refused


def table(file: BinaryIO, text_column: str, speaker_column: str, left_out: Counter[str]) -> Iterator[Message]:
    """Yield a message for each row of a CSV file, each line of JSON lines, or each object of a JSON array.

    `speaker_column`: empty: all rows are by one speaker, without a name. Raises UserError: no column has this name.
    """
    lacking = {text_column, speaker_column} - {""}
    names = dict[str, None]()
    for number, row in enumerate(_rows(file, text_column, left_out)):
        if lacking and number < _UNTIL_NAMED:
            names.update(dict.fromkeys(field_names(row)))
            lacking = {name for name in lacking if field(row, name) is None}
        elif lacking:
            break
        text, speaker = field(row, text_column), field(row, speaker_column) if speaker_column else None
        if isinstance(text, str | None) and isinstance(speaker, str | int | None):
            yield Message("" if speaker is None else str(speaker), text or "")
        else:
            left_out[DAMAGED] += 1
    if lacking and names:
        raise UserError(f"There is no column {' and no '.join(map(code, lacking))}.", f"There are {codes(names)}.")


def _rows(file: BinaryIO, text_column: str, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    buffered = peekable(file)
    start = head_text(buffered.peek(4_096)).lstrip()[:1]
    if start == "[":
        return (entry for _, entry in entries(buffered, left_out))
    return _json_lines(buffered, left_out) if start == "{" else csv_rows(buffered, text_column, left_out)


def _json_lines(file: BinaryIO, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for line in lines(file):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            row = ()
        if isinstance(row, dict):
            yield row
        elif row is not None:
            left_out[DAMAGED] += 1


def csv_rows(file: BinaryIO, text_column: str, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV file under the names in its first line; rows of another length count as damaged."""
    text_lines = lines_with_ends(file)
    first = next((line for line in text_lines if line.strip() and not line.startswith("sep=")), "")  # Excel writes that
    headers = {delimiter: _cells(first, delimiter) for delimiter in _DELIMITERS}
    delimiter, header = max(headers.items(), key=lambda pair: (text_column in pair[1], len(pair[1])))
    rows = csv.reader(text_lines, delimiter=delimiter)
    while True:
        try:
            cells = next(rows, None)
        except csv.Error:  # a cell of more than 131,072 characters: a quotation mark is missing
            left_out[DAMAGED] += 1
            continue
        if cells is None:
            return
        if len(cells) == len(header):
            yield dict(zip(header, cells, strict=True))
        elif cells:
            left_out[DAMAGED] += 1


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:
        return []
