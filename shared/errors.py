"""Errors that a person caused or can mend: the engine's, under the server's own roof."""

from galvanic.errors import UserError as UserError
