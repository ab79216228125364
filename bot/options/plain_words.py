"""Reads a command's words without discord.py's errors about quotation marks."""

from __future__ import annotations

from discord.ext import commands
from discord.ext.commands.view import StringView


class PlainWords(StringView):
    """discord.py's reader of a message's words, without its errors about quotation marks.

    `"two words"` is still one argument; but a phone types ``don’t`` with a mark that discord.py would refuse.

    Args:
        view: the message's own, of which some may have been read.
    """

    def __init__(self, view: StringView) -> None:
        super().__init__(view.buffer)
        self.index, self.previous = view.index, view.previous

    def get_quoted_word(self) -> str | None:
        """The next word, or what is within a pair of quotation marks."""
        begin = self.index
        try:
            return super().get_quoted_word()
        except commands.ArgumentParsingError:
            self.index = begin
            return self.get_word()
