"""Files, read as people give them: for the tests of this folder."""

import io
import zipfile

from galvanic.read.chat import Chat, ChatOptions
from galvanic.read.files import Files
from galvanic.read.formats import read_files
from galvanic.read.text import Text


def zipped(*members: tuple[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive of these files; an EPUB's type is not compressed in it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return data.getvalue()


def read_chat(*named: tuple[str, bytes], options: ChatOptions | None = None) -> Chat:
    """Return the chat in some files."""
    chat = read_files(Files(named), options or ChatOptions())
    assert isinstance(chat, Chat)
    return chat


def read_text(*named: tuple[str, bytes]) -> str:
    """Return the text in some files."""
    text = read_files(Files(named), ChatOptions())
    assert isinstance(text, Text)
    assert isinstance(text.body, str)
    return text.body


def lines(chat: Chat) -> list[str]:
    """Return a chat's lines, each behind the name of its speaker."""
    return [f"{chat.speakers[line.speaker].name}: {line.text}" for line in chat.lines()]
