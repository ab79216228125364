"""Old names of what is in `bot.responder`."""

from bot.responder import NOT_SENT as CLOSED
from bot.responder import SENT, is_elsewhere, write_to
from bot.responder import answer_privately as answer
from bot.responder import note_sent as note
from bot.responder import tell_privately as tell

__all__ = ["CLOSED", "SENT", "answer", "is_elsewhere", "note", "tell", "write_to"]
