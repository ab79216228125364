"""What nothing cleaned has a match of."""

from __future__ import annotations

import re

from bot.channels import blocked

BLOCKED: dict[str, re.Pattern[str]] = {
    "invisible": blocked.INVISIBLE,
    "reference": blocked.REFERENCE,
    "everyone": blocked.EVERYONE,
    "link": blocked.LINK,
    "invite": blocked.INVITE,
    "e-mail": blocked.EMAIL,
    "spelled e-mail": blocked.SPELLED_EMAIL,
    "handle": blocked.HANDLE,
    "tag": blocked.TAG,
    "number": blocked.NUMBER,
    "account": blocked.IBAN,
    "address": blocked.ADDRESS,
    "key block": blocked.KEY_BLOCK,
    "secret": blocked.SECRET,
    "password": blocked.PASSWORD,
}
"""By name."""
