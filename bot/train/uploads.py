"""Has files read by a process of its own (`shared.corpora.reader`), which is stopped when it takes too much."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
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
from galvanic.read.chat import ChatOptions, refuse_for_text
from galvanic.units import MEGABYTE
from shared.corpora.corpus import Corpus, size_limit
from shared.corpora.reader import LARGER, PAGES, TEXT, TIME_S, Answer, ChatFacts, ReadRequest
from shared.corpora.sources import in_folder, resolve

MOST_BYTES = 100 * MEGABYTE  # of all files of one command, as they are attached
_AT_ONCE = 2  # files of so many people are read; others wait

log = structlog.get_logger()


class ReadChat(NamedTuple):
    """A chat that was read. `pages`: as `shared.corpora.lines.pack_page` returns them."""

    facts: ChatFacts
    pages: list[bytes]


@dataclass(eq=False, repr=False)
class Uploads:
    """The service that has files read. A folder in `DATA_DIR` holds them meanwhile."""

    core: Core
    _turns: asyncio.Semaphore = field(init=False, default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _waiting: set[str] = field(init=False, default_factory=set)
    """People whose files are being read, or wait for that."""

    @property
    def folder(self) -> Path:
        return self.core.settings.data_dir.absolute() / "uploads"

    async def clear(self) -> None:
        """Make the folder; what a bot that was killed left in it goes once this one serves: another may still run."""
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        for left in await asyncio.to_thread(os.scandir, self.folder):
            self.core.chores.add(_drop, Path(left))

    async def named(self, actor: Actor, name: str, options: ChatOptions) -> Corpus | ReadChat:
        """Return the text of a name, or the chat. Raises as `read` and `resolve`; UserError: `options` for no chat."""
        settings = self.core.settings
        if (path := await asyncio.to_thread(in_folder, name, settings)) is not None:
            return await self.read(actor, path, options)
        refuse_for_text(options)
        return await resolve(name, settings)

    async def read(
        self, actor: Actor, files: Sequence[discord.Attachment] | Path, options: ChatOptions
    ) -> Corpus | ReadChat:
        """Read attached files, or a file of `CORPORA_DIR`, as one text or as a chat.

        Raises UserError: Discord does not hand them over; they are too large or no text; or reading them takes too
        long.
        """
        if not isinstance(files, Path) and (size := sum(file.size for file in files)) > MOST_BYTES:
            raise UserError(
                f"You attached {size / MEGABYTE:,.0f} MB; I take {MOST_BYTES / MEGABYTE:,.0f} MB at most.",
                f"Send a part, or a .zip. {LARGER}",
            )
        with reserve(self._waiting, str(actor.user.id)) as is_first:
            if not is_first:
                raise UserError("I'm still reading your last file.", "Wait until that is done.")
            async with self._turns:
                folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self.folder))
                try:
                    return await self._read(folder, actor, files, options)
                finally:
                    await _drop(folder)

    async def _read(
        self, folder: Path, actor: Actor, files: Sequence[discord.Attachment] | Path, options: ChatOptions
    ) -> Corpus | ReadChat:
        request = ReadRequest(
            files=((files.name, files),) if isinstance(files, Path) else await _saved(files, folder),
            options=options,
            source="corpora-dir" if isinstance(files, Path) else "upload",
            guild_id=actor.guild_id,
            guild_name=getattr(self.core.bot.get_guild(actor.guild_id), "name", ""),
            user_id=actor.user.id,
            most_bytes=size_limit(self.core.settings),
        )
        answer = await _run(request, folder)
        if answer.refusal is not None:
            raise UserError(*answer.refusal)
        return await asyncio.to_thread(_content, answer, folder)


async def _drop(folder: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _saved(files: Sequence[discord.Attachment], folder: Path) -> tuple[tuple[str, Path], ...]:
    """Write attached files into a folder; return names and paths. Raises UserError: Discord doesn't hand them over."""
    paths = [folder / f"file-{number}" for number in range(len(files))]
    for path, file in zip(paths, files, strict=True):
        await asyncio.to_thread(path.write_bytes, await decoding.read_file(file))
    return tuple((file.filename, path) for path, file in zip(paths, files, strict=True))


async def _run(request: ReadRequest, folder: Path) -> Answer:
    """Have a process read files. Raises UserError: it takes too long, or was killed."""
    # Neither the token nor a password reaches it. Each thread of numpy's would take memory of its own.
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
    code, threads = str(PurePath(shared.__path__[0]).parent), {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "shared.corpora.reader", folder),
        env=kept | threads | {"PYTHONPATH": code, "TMPDIR": str(folder)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(TIME_S):
            answer, _ = await process.communicate(request.model_dump_json().encode())
    except TimeoutError as error:
        raise UserError(
            f"Reading the files took longer than {TIME_S} s, so I stopped.", f"Send a part of them. {LARGER}"
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        log.warning("upload_not_read", status=process.returncode)
        raise UserError("I couldn't read the files.", f"They may be damaged, or too large. {LARGER}")
    return Answer.model_validate_json(answer)


def _content(answer: Answer, folder: Path) -> Corpus | ReadChat:
    """Return what a process has read."""
    if answer.info is not None:
        return Corpus(answer.info, (folder / TEXT).read_bytes().decode())
    assert answer.chat is not None
    return ReadChat(answer.chat, [path.read_bytes() for path in sorted(folder.glob(PAGES))])
