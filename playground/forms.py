"""A form (modal) as a person fills it in, in the format that Discord sends to the bot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simcord.enums import SELECT_TYPES, ComponentType

from shared.errors import UserError

Choose = Callable[[dict[str, Any], list[str], dict[str, Any]], list[str]]
"""Checks and resolves what is chosen in a menu: (menu, values, resolved) -> the values as sent."""
Store = Callable[[str, dict[str, Any]], list[str]]
"""Keeps the files given for a field: (custom_id, resolved) -> their ids."""


@dataclass
class Filled:
    """A form's components with the person's values, and `resolved`: who and what these stand for."""

    components: list[dict[str, Any]] = field(default_factory=list)
    resolved: dict[str, Any] = field(default_factory=dict)


def fill(modal: dict[str, Any], values: dict[str, Any], choose: Choose, store: Store) -> Filled:
    """Put a person's values into a form that the bot sent.

    `values`: by the fields' `custom_id`: text, a list for menus and check boxes, or a truth value.
    Raises UserError: a field is missing or does not fit.
    """
    form = _Form(values, choose, store)
    for component in modal.get("components") or []:
        done = form.component(component, component.get("label") or "")
        if done is not None:
            form.filled.components.append(done)
    return form.filled


class _Form:
    def __init__(self, values: dict[str, Any], choose: Choose, store: Store) -> None:
        self.filled = Filled()
        self._values = values
        self._choose = choose
        self._store = store

    def component(self, node: dict[str, Any], label: str) -> dict[str, Any] | None:
        """A component as it is sent, with those in it; None for one that is only shown."""
        kind = node.get("type")
        out: dict[str, Any] = {"type": kind} | ({"id": node["id"]} if "id" in node else {})
        if kind == ComponentType.ACTION_ROW:
            children = [self.component(child, child.get("label") or "") for child in node.get("components") or []]
            return out | {"components": [child for child in children if child is not None]}
        if kind == ComponentType.LABEL:
            return out | {"component": self.component(node["component"], node.get("label") or "")}
        if kind == ComponentType.TEXT_DISPLAY:
            return out
        custom_id = node.get("custom_id")
        if custom_id is None:
            return None
        return out | {"custom_id": custom_id} | self._value(node, self._values.get(custom_id), label or "A field")

    def _value(self, node: dict[str, Any], given: Any, name: str) -> dict[str, Any]:
        kind = node["type"]
        if kind == ComponentType.TEXT_INPUT:
            return {"value": _text(node, given, name)}
        if kind == ComponentType.CHECKBOX:
            return {"value": bool(node.get("default", False)) if given is None else given in (True, "true", "on")}
        chosen = self._chosen(node, given, name)
        if kind == ComponentType.RADIO_GROUP:
            return {"value": chosen[0] if chosen else None}
        return {"values": chosen}

    def _chosen(self, node: dict[str, Any], given: Any, name: str) -> list[str]:
        kind, resolved = node["type"], self.filled.resolved
        chosen = self._store(node["custom_id"], resolved) if kind == ComponentType.FILE_UPLOAD else _listed(given)
        if not chosen:
            if node.get("required", True):
                raise UserError(f"{name} is empty.", "Choose something.")
        elif kind in SELECT_TYPES:
            return self._choose(node, chosen, resolved)
        elif kind in (ComponentType.RADIO_GROUP, ComponentType.CHECKBOX_GROUP):
            _check_options(node, chosen, name)
        return chosen


def _text(node: dict[str, Any], given: Any, name: str) -> str:
    text = "" if given is None else str(given)
    if node.get("required", True) and not text:
        raise UserError(f"{name} is empty.", "Fill it in.")
    low, high = node.get("min_length") or 0, node.get("max_length") or 4_000
    if text and not low <= len(text) <= high:
        raise UserError(f"{name} has {len(text):,} characters.", f"It takes {low:,} to {high:,}.")
    return text


def _listed(given: Any) -> list[str]:
    if isinstance(given, list):
        return [str(value) for value in given]
    return [str(given)] if given not in (None, "") else []


def _check_options(node: dict[str, Any], chosen: list[str], name: str) -> None:
    known = {option["value"] for option in node.get("options") or []}
    many = node["type"] == ComponentType.CHECKBOX_GROUP
    low = node.get("min_values", 1) if many else 1
    high = node.get("max_values", len(known)) if many else 1
    if not set(chosen) <= known or not low <= len(chosen) <= high:
        raise UserError(f"{name}: these are not its choices.", f"Choose {low} to {high} of the entries shown.")
