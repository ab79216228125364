"""Old name of what is in `bot.responder`."""

from bot.responder import PatientContext, acknowledge, addressed

__all__ = ["PatientContext", "acknowledge", "addressed"]
