"""Drives a playground: what people do and see there, and what goes wrong with Discord."""

from pathlib import Path

BOT_TOKEN = "a-bots-token"
ENVIRONMENT = {
    "GALVANIC_PLAYGROUND_EXTENSION": "tests.driver.control",
    "PYTHONPATH": str(Path(__file__).parents[2]),
}
"""For whatever starts a playground that is to be driven."""
