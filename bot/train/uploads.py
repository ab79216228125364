"""Has files read by a process of its own (`shared.corpora.reader`), which is stopped when it takes too much."""

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import NamedTuple

import discord
import structlog

import shared
from bot.background import reserve
from bot.core import Core
from bot.options import decoding
from bot.servers.access import Actor
from galvanic.errors import UserError
from galvanic.options import TextSource
from galvanic.read.chat import ChatOptions
from galvanic.units import MEGABYTE
from shared.corpora.corpus import Corpus, size_limit
from shared.corpora.reader import ANSWER, COMMAND_LINE, CONTENT, NAMES, REQUEST, TIME_S, Answer, ChatFacts, Request
from shared.corpora.sources import OPERATORS

MOST_FILES = 10
MOST_BYTES = 100 * MEGABYTE  # of all files of one command, as they are attached
_AT_ONCE = 2  # files of so many people are read; others wait
_UPLOADED = "Uploaded by a member; rights unknown."  # the licence of an attached text

log = structlog.get_logger()


class ReadChat(NamedTuple):
    """A chat that was read. `names`: an invented name for each number, as `shared.corpora.reader` writes them."""

    facts: ChatFacts
    pages: list[bytes]
    names: bytes


@dataclass(eq=False, repr=False)
class Uploads:
    """The service that has files read. A folder in `DATA_DIR` holds them meanwhile."""

    core: Core
    _turns: asyncio.Semaphore = field(init=False, default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _waiting: set[str] = field(init=False, default_factory=set)
    """People whose files are being read, or wait for that."""

    @property
    def folder(self) -> Path:
        return self.core.settings.data_dir / "uploads"

    def clear(self) -> None:
        """Delete what a bot that was killed has left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    async def read(self, actor: Actor, files: Sequence[discord.Attachment], options: ChatOptions) -> Corpus | ReadChat:
        """Read attached files as one text or as a chat.

        Raises UserError: Discord does not hand them over; they are too many, too large or no text; or reading them
        takes too long.
        """
        _check(files)
        async with self._turn(actor) as folder:
            paths = [folder / str(number) for number in range(len(files))]
            for path, file in zip(paths, files, strict=True):
                await asyncio.to_thread(path.write_bytes, await decoding.read_file(file))
            named = [(file.filename, path) for path, file in zip(paths, files, strict=True)]
            return await self._read(folder, actor, named, options, "upload", _UPLOADED)

    async def read_own(self, actor: Actor, path: Path, options: ChatOptions) -> Corpus | ReadChat:
        """Read a file of `CORPORA_DIR`. Raises UserError as `read`."""
        async with self._turn(actor) as folder:
            return await self._read(folder, actor, [(path.name, path)], options, "corpora-dir", OPERATORS)

    async def _read(
        self,
        folder: Path,
        actor: Actor,
        files: Sequence[tuple[str, Path]],
        options: ChatOptions,
        source: TextSource,
        licence: str,
    ) -> Corpus | ReadChat:
        request = Request(
            files=tuple((name, path.absolute()) for name, path in files),
            options=options,
            source=source,
            licence=licence,
            guild_id=actor.guild_id,
            guild_name=getattr(self.core.bot.get_guild(actor.guild_id), "name", ""),
            user_id=actor.user.id,
            until=discord.utils.time_snowflake(discord.utils.utcnow(), high=True),
            most_bytes=size_limit(self.core.settings),
        )
        await asyncio.to_thread((folder / REQUEST).write_text, request.model_dump_json(), "utf-8")
        await _run(folder)
        return await asyncio.to_thread(_answer, folder)

    @contextlib.asynccontextmanager
    async def _turn(self, actor: Actor) -> AsyncIterator[Path]:
        """Wait until it is somebody's turn, and give a folder for their files. Raises UserError: they wait already."""
        with reserve(self._waiting, str(actor.user.id)) as is_first:
            if not is_first:
                raise UserError("I'm still reading your last file.", "Wait until that is done.")
            async with self._turns, self._made() as folder:
                yield folder

    @contextlib.asynccontextmanager
    async def _made(self) -> AsyncIterator[Path]:
        def make() -> Path:
            self.folder.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=self.folder)).absolute()

        folder = await asyncio.to_thread(make)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _check(files: Sequence[discord.Attachment]) -> None:
    """Refuse too many files, or too large ones, before they are fetched. Raises UserError."""
    if len(files) > MOST_FILES:
        raise UserError(f"You attached {len(files)} files; I take {MOST_FILES}.", "Send fewer, or a .zip of them.")
    if (size := sum(file.size for file in files)) > MOST_BYTES:
        raise UserError(
            f"You attached {size / MEGABYTE:,.0f} MB; I take {MOST_BYTES / MEGABYTE:,.0f} MB.",
            f"Send a part, or a .zip. {COMMAND_LINE}",
        )


async def _run(folder: Path) -> None:
    """Have a process read the files in a folder. Raises UserError: it takes too long, or was killed."""
    # Neither the token nor a password reaches it. Each thread of numpy's would take memory of its own.
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
    code, threads = str(PurePath(shared.__path__[0]).parent), {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "shared.corpora.reader", folder),
        env=kept | threads | {"PYTHONPATH": code, "TMPDIR": str(folder)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(TIME_S):
            status = await process.wait()
    except TimeoutError as error:
        raise UserError(
            f"Reading the files took longer than {TIME_S} s, so I stopped.", f"Send a part of them. {COMMAND_LINE}"
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status:
        log.warning("upload_not_read", status=status)
        raise UserError("I couldn't read the files.", f"They may be damaged, or too large. {COMMAND_LINE}")


def _answer(folder: Path) -> Corpus | ReadChat:
    """Return what a process has read. Raises UserError: it can't be learned."""
    answer = Answer.model_validate_json((folder / ANSWER).read_bytes())
    if answer.refusal is not None:
        raise UserError(*answer.refusal)
    content = (folder / CONTENT).read_bytes()
    if answer.chat is None:
        assert answer.info is not None
        return Corpus(answer.info, content.decode())
    ends = itertools.accumulate(answer.chat.page_sizes, initial=0)
    pages = [content[begin:end] for begin, end in itertools.pairwise(ends)]
    return ReadChat(answer.chat, pages, (folder / NAMES).read_bytes())
