"""A model as one file: `NAME.galvanic`, a zip archive of exactly the two files of a model folder.

Where it must be smaller its weights are coarser (`galvanic.compact`).
"""

from __future__ import annotations

import errno
import secrets
import shutil
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from galvanic import compact
from galvanic import folder as model_folder
from galvanic.compact import PACKINGS, Packing
from galvanic.errors import UserError
from galvanic.folder import DESCRIPTION, MOST_DESCRIPTION_BYTES, WEIGHTS, Description
from galvanic.limits import Limits, check
from galvanic.options import TranscriptRef
from galvanic.units import MEGABYTE

SUFFIX = ".galvanic"
_CHUNK = 2**20
_END, _END64 = struct.Struct("<4s4H2LH"), struct.Struct("<4s16x")
_MOST_DIRECTORY = 64 * 2**10
_MAGIC = b"PK\x03\x04"
# RuntimeError covers RecursionError and NotImplementedError, ValueError what cannot be decoded.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, KeyError, EOFError, OverflowError, RuntimeError)
"""What `zipfile` and the parsing raise for files that are not what they should be."""


def export_model(folder: Path, path: Path, transcripts: Sequence[TranscriptRef] = ()) -> None:
    """Write a model folder into one file, whole or not at all.

    Args:
        folder: of the model.
        path: the file.
        transcripts: what the description is to name beside those that it names anyway (`Description.marks`).

    Raises:
        UserError: the folder holds no model or a damaged one, or the file cannot be written.
    """
    description = model_folder.load(folder)[0]
    text = (folder / DESCRIPTION).read_bytes()
    if transcripts:
        text = _marked(description, transcripts).model_dump_json(indent=1, ensure_ascii=True).encode()
    _write(path, text, (folder / WEIGHTS).read_bytes())


def export_compact(folder: Path, path: Path, packing: Packing, transcripts: Sequence[TranscriptRef] = ()) -> None:
    """The same with coarser weights, which takes fewer bytes.

    Raises:
        UserError: as `export_model`, or the weights are too large for half precision.
    """
    description, weights, windows = model_folder.load(folder)
    _write(path, *compact.pack(_marked(description, transcripts), weights, windows, packing))


def export_within(folder: Path, path: Path, most_bytes: int, transcripts: Sequence[TranscriptRef] = ()) -> None:
    """Write a model folder into one file of at most so many bytes: exactly if that fits, else no coarser than needed.

    Arguments as of `export_model`.

    Raises:
        UserError: as `export_compact`, or not even the coarsest fits.
    """
    export_model(folder, path, transcripts)
    for packing in PACKINGS:
        if path.stat().st_size <= most_bytes:
            return
        export_compact(folder, path, packing, transcripts)
    size = path.stat().st_size
    if size > most_bytes:
        path.unlink()
        raise UserError(
            f"This model's file takes {size / MEGABYTE:.1f} MB at least, and here files may have "
            f"{most_bytes / MEGABYTE:.1f} MB.",
            "Take it to a server with a higher limit for files, or train one with fewer `--units`. The bot's "
            "operator can export it on the machine, with `python -m worker export`.",
        )


def _marked(description: Description, transcripts: Sequence[TranscriptRef]) -> Description:
    return description.model_copy(update={"transcripts": tuple(transcripts)}) if transcripts else description


def _write(path: Path, description: bytes, weights: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
    try:
        # Weights hardly shrink, so they are stored; a vocabulary of words does.
        with zipfile.ZipFile(partial, "w") as archive:
            archive.writestr(DESCRIPTION, description, zipfile.ZIP_DEFLATED)
            archive.writestr(WEIGHTS, weights, zipfile.ZIP_STORED)
        partial.replace(path)
    except OSError as error:
        raise UserError(
            f"{path.name} cannot be written: {error.strerror}.", "Name another file, or make room."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def import_model(path: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack an exported model into a new folder. Nothing of it is left when the file is refused.

    The names in the archive are compared and never used as paths, and no size that it tells is believed: the
    description is read to a fixed limit, the weights to the size that follows from the description.

    Args:
        path: the file.
        folder: to be made.
        limits: for files that anybody may send; None: as large as they come.

    Raises:
        UserError: the file is no exported model, is damaged, too large, or comes from a newer program; or the folder
            is taken.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"There is something in {folder.name} already.", "Name a folder that does not exist yet.")
    if not path.is_file():
        raise UserError(f"There is no file {path.name}.", f"Give a file that ends in {SUFFIX}.")
    partial = folder.with_name(f".partial-{folder.name}-{secrets.token_hex(4)}")
    try:
        partial.mkdir(parents=True)
        _unpack(path, partial, limits)
        model_folder.load(partial)
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise UserError(
            f"{folder.name} cannot be written: {error.strerror}.", "Name another folder, or make room."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unpack(path: Path, folder: Path, limits: Limits | None) -> None:
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sorted(member.filename for member in members) != [DESCRIPTION, WEIGHTS]:
                raise _no_model(path)
            for member in members:
                if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise _no_model(path)
            most = limits.description_bytes if limits else MOST_DESCRIPTION_BYTES
            _copy(archive, DESCRIPTION, folder, most)
            text = (folder / DESCRIPTION).read_bytes()
            packed = compact.parse(text)
            description = packed or model_folder.parse(text)
            if limits:
                check(description, limits)
            most = compact.packed_bytes(packed) if packed else model_folder.weights_bytes(description)[1]
            _copy(archive, WEIGHTS, folder, most)
            if packed:
                compact.unpack(packed, folder)
    except _BROKEN as error:
        with path.open("rb") as file:
            is_zip = file.read(len(_MAGIC)) == _MAGIC
        raise (_damaged(path) if is_zip else _no_model(path)) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place before the file's beginning
            raise _damaged(path) from error
        raise


def _check_directory(path: Path) -> None:
    """See that the archive's list of files is as short as that of an export: `zipfile` reads all of it into memory.

    Raises:
        zipfile.BadZipFile: it is longer, or is told of in another way than `export` writes it.
    """
    tail = _END64.size + _END.size
    if path.stat().st_size < tail:
        raise zipfile.BadZipFile("too short")
    with path.open("rb") as file:
        file.seek(-tail, 2)
        end64 = _END64.unpack(file.read(_END64.size))
        magic, *_, directory_bytes, _start, comment_bytes = _END.unpack(file.read(_END.size))
    if magic != b"PK\x05\x06" or comment_bytes or end64[0] == b"PK\x06\x07" or directory_bytes > _MOST_DIRECTORY:
        raise zipfile.BadZipFile("not the end of an export")


def _copy(archive: zipfile.ZipFile, name: str, folder: Path, most: int) -> None:
    """Unpack one file, no more than `most` bytes of it.

    Raises:
        ValueError: it goes on after that.
    """
    with archive.open(name) as source, (folder / name).open("xb") as target:
        while chunk := source.read(_CHUNK):
            most -= len(chunk)
            if most < 0:
                raise ValueError("more bytes than such a file can have")
            target.write(chunk)


def _no_model(path: Path) -> UserError:
    return UserError(f"{path.name} isn't an exported model.", f"Give a file that `export` wrote; it ends in {SUFFIX}.")


def _damaged(path: Path) -> UserError:
    return UserError(f"{path.name} is damaged.", "Export the model again, or get another copy of the file.")
