"""Log a training into a folder: a table, as Keras' CSVLogger writes it, and event files for TensorBoard."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from galvanic.errors import UserError
from galvanic.results import Control, Difficulty, Hooks, Measurement, Progress, Sample

TABLE = "log.csv"
_HEADER = ",".join(Measurement._fields)

log = structlog.get_logger()


class TrainingLog(Hooks):
    """Hooks that log measurements and samples, and pass all events on to other hooks.

    A resumed training goes on in the log; a new one replaces it. A disk that is full later ends no training. Raises
    UserError if the folder can't be written, or holds another table of that name; so does the first event.
    """

    def __init__(self, hooks: Hooks, folder: Path) -> None:
        self._hooks, self._folder, self._table = hooks, folder, folder / TABLE
        self._events: Any = None  # TensorFlow's writer
        self._step = 0  # of the last measurement
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._table.open("a+", encoding="utf-8", errors="replace") as table:
                table.seek(0)
                header = table.readline().strip()
        except OSError as error:
            raise self._not_written(str(error.strerror)) from error
        if header not in ("", _HEADER):
            raise UserError(f"{self._table} is not the log of a training.", "Name another folder.")

    def progress(self, event: Progress) -> None:
        self._hooks.progress(event)
        self._begin(event.epoch if event.step or event.epoch > 1 else 0)

    def measured(self, event: Measurement) -> None:
        self._hooks.measured(event)
        self._step = event.step
        with self._writing() as tf, self._table.open("a", encoding="utf-8", newline="") as table:
            csv.writer(table, lineterminator="\n").writerow("NA" if value is None else value for value in event)
            for name, value in event._asdict().items():
                if value is not None and name != "step":
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=_shown_by("scalars", tf))

    def sample(self, event: Sample) -> None:
        self._hooks.sample(event)
        self._begin(event.epoch)
        with self._writing() as tf:
            # Indented, Markdown shows a text as it is.
            text = textwrap.indent(event.text, "    ", lambda _: True)
            tf.summary.write("sample", text, metadata=_shown_by("text", tf))

    def trouble(self, what: Difficulty | None) -> None:
        self._hooks.trouble(what)

    def saved(self) -> None:
        self._hooks.saved()

    def control(self) -> Control | None:
        return self._hooks.control()

    def _begin(self, epoch: int) -> None:
        """Open the log at the first event, and drop what it has from this epoch on."""
        if self._events:
            return
        from galvanic.machine import import_tensorflow

        import_tensorflow()
        import tensorflow as tf

        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)  # drops all from its step on
        try:
            rows = [line.split(",") for line in self._table.read_text("utf-8").splitlines()[1:]]
            # A full disk may have left half a row.
            kept = [row for row in rows if len(row) == len(Measurement._fields) and int(row[0]) < epoch]
            self._step = int(kept[-1][1]) if kept else 0
            self._table.write_text("\n".join([_HEADER, *map(",".join, kept), ""]), "utf-8")
            with tf.Graph().as_default(), tf.compat.v1.summary.FileWriter(str(self._folder)) as events:
                events.add_session_log(start, self._step + 1 if kept else 0)
            self._events = tf.summary.create_file_writer(str(self._folder))
        except (OSError, tf.errors.OpError) as error:
            raise self._not_written("the disk is full, perhaps") from error

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """Write within this block; return TensorFlow."""
        import tensorflow as tf

        try:
            with self._events.as_default(self._step):
                yield tf
            self._events.flush()
        except (OSError, tf.errors.OpError) as error:
            log.warning("training_not_logged", reason=str(error).splitlines()[0])

    def _not_written(self, reason: str) -> UserError:
        return UserError(f"The log can't be written into {self._folder}: {reason}.", "Name another folder.")


def _shown_by(plugin: str, tf: Any) -> Any:
    """Return the metadata of an event for a plugin of TensorBoard. `tf.summary.scalar` would need TensorBoard here."""
    metadata = tf.compat.v1.SummaryMetadata
    return metadata(plugin_data=metadata.PluginData(plugin_name=plugin))
