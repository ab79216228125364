"""Options as a person types them, without Discord."""

from types import SimpleNamespace
from typing import Any, TypeVar

from bot.options.options import Options

_O = TypeVar("_O", bound=Options)


async def typed(kind: type[_O], line: str) -> _O:
    """The options that discord.py makes of a line; it looks at nothing of the context but these two."""
    context: Any = SimpleNamespace(command=None, current_parameter=None)
    return await kind.convert(context, line)
