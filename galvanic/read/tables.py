"""Read tables and JSON lines whose columns somebody named."""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from galvanic.read.chat import Message


def table(file: BinaryIO, text_column: str, speaker_column: str, left_out: Counter[str]) -> Iterator[Message]:
    """Yield a message for each row of a CSV file, or each line of JSON lines.

    `speaker_column`: empty: all rows are by one speaker, without a name. Raises UserError: no column has this name.
    """
    raise NotImplementedError
