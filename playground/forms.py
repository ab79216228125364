"""A form (modal) as a person fills it in, in the format that Discord sends to the bot: text fields and menus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simcord.enums import ComponentType

from galvanic.errors import UserError

Choose = Callable[[dict[str, Any], list[str]], list[str]]
"""Checks what is chosen in a menu: (menu, values) -> the values as sent."""


def fill(modal: dict[str, Any], values: dict[str, Any], choose: Choose) -> list[dict[str, Any]]:
    """The components of a form that the bot sent, with a person's values; see `_filled`."""
    return [_filled(item, item.get("label") or "A field", values, choose) for item in modal["components"]]


def _filled(node: dict[str, Any], name: str, values: dict[str, Any], choose: Choose) -> dict[str, Any]:
    """`values`: by the fields' `custom_id`: text, or a list for menus. Raises UserError: a field does not fit."""
    out: dict[str, Any] = {"type": node["type"]} | ({"id": node["id"]} if "id" in node else {})
    if node["type"] == ComponentType.ACTION_ROW:
        return out | {"components": fill(node, values, choose)}
    if node["type"] == ComponentType.LABEL:
        return out | {"component": _filled(node["component"], node["label"], values, choose)}
    given = values.get(node["custom_id"])
    out["custom_id"] = node["custom_id"]
    if node["type"] == ComponentType.TEXT_INPUT:
        return out | {"value": _text(node, str(given or ""), name)}
    if not given and node.get("required", True):
        raise UserError(f"{name} is empty.", "Choose something.")
    return out | {"values": choose(node, list(map(str, given))) if given else []}


def _text(node: dict[str, Any], text: str, name: str) -> str:
    if node.get("required", True) and not text:
        raise UserError(f"{name} is empty.", "Fill it in.")
    low, high = node.get("min_length") or 0, node.get("max_length") or 4_000
    if text and not low <= len(text) <= high:
        raise UserError(f"{name} has {len(text):,} characters.", f"It takes {low:,} to {high:,}.")
    return text
