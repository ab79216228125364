"""Units of what people set and read: the engine's."""

from galvanic.units import MEGABYTE as MEGABYTE
from galvanic.units import choosing as choosing
from galvanic.units import count as count
