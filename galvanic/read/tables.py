"""Read tables (CSV) and JSON of which somebody named the columns: JSON lines, or one array of objects."""

import csv
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

from galvanic.errors import UserError
from galvanic.read.chat import DAMAGED, ChatOptions, Message
from galvanic.read.entries import ARRAY, entries
from galvanic.read.fields import field, field_names, text_of
from galvanic.read.lines import beginning, lines
from galvanic.read.refusals import code, codes

_DELIMITERS = ",;\t|"
_FIRST_ROWS = 100  # one of them must have the column


def table(name: str, options: ChatOptions, file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    """Yield a message for each row of a CSV file, each line of JSON lines, or each object of a JSON array.

    `name`: the file's. Without a column of speakers, all rows are by one. Raises UserError: there is no such column, or
    the file is a single JSON object.
    """
    text_column, speaker_column = options.text_column, options.speaker_column
    is_json = beginning(file).lstrip().startswith("{")
    all_rows = rows(file, left_out)
    first_rows = list(itertools.islice(all_rows, _FIRST_ROWS))
    if is_json and not first_rows:
        raise UserError(
            f"`{name}` holds no array of JSON objects, and no line that is one.",
            "If it is one object, take its list out, for example with `jq .messages`, and give that.",
        )
    columns = [column for column in (text_column, speaker_column) if column]
    lacking = [column for column in columns if all(field(row, column) is None for row in first_rows)]
    if first_rows and lacking:
        names = dict.fromkeys(name for row in first_rows for name in field_names(row))
        absent = " and no ".join(map(code, lacking))
        raise UserError(f"There is no column {absent} in `{name}`.", f"Choose from {codes(names)}.")
    for row in itertools.chain(first_rows, all_rows):
        text, speaker = field(row, text_column), field(row, speaker_column) if speaker_column else None
        if isinstance(text, str | None) and isinstance(speaker, str | int | None):
            yield Message(text_of(speaker), text or "")
        else:
            left_out[DAMAGED] += 1


def rows(file: BinaryIO, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, or the objects of JSON; what can't be read counts as damaged."""
    start = beginning(file)
    if ARRAY.match(start):
        return (entry for _, entry in entries(file, left_out))
    return _json_lines(file, left_out) if start.lstrip().startswith("{") else _csv_rows(file, left_out)


def _json_lines(file: BinaryIO, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for line in filter(str.strip, lines(file)):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield row
        else:
            left_out[DAMAGED] += 1


def _csv_rows(file: BinaryIO, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV file under the names in its first line; rows of another length count as damaged."""
    text_lines = lines(file)
    # Excel may write its delimiter into a line above the names: `sep=;`.
    first_line = next((line for line in text_lines if line.strip() and not line.startswith("sep=")), "")
    delimiter = max(_DELIMITERS, key=first_line.count)
    header = delimiter.join(map(str.rstrip, first_line.split(delimiter))) + "\n"  # a name ends with no space
    reader = csv.DictReader(itertools.chain([header], text_lines), delimiter=delimiter, skipinitialspace=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error:  # a cell of more than 131,072 characters: a quotation mark is missing
            left_out[DAMAGED] += 1
            continue
        if row is None:
            return
        if None in row or None in row.values():
            left_out[DAMAGED] += 1
        else:
            yield row
