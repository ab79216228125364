"""How much work a pattern makes of a text: a matcher that goes the way of `re` and counts its steps.

Times would tell it less surely, and `re` does not say. What `re` saves by looking ahead for literals is not saved here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

Then = Callable[[int], int | None]
Matcher = Callable[[int, Then], int | None]
_OF_ONE = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN}


class Work:
    """All matches of a pattern in a text, found one step after another."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._parsed = _parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
        self._flags = pattern.flags
        self._match = self._sequence(self._parsed)
        self.steps = 0

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the matches are that `re.finditer` gives; counts the steps to find them."""
        self.steps, self._text, self._groups = 0, text, dict[int, str]()
        found: list[tuple[int, int]] = []
        start = 0
        while start <= len(text):
            self._groups.clear()
            end = self._match(start, lambda place: place)
            if end is not None:
                found.append((start, end))
            start = max(start + 1, end or 0)
        return found

    def _sequence(self, nodes: Any) -> Matcher:
        matchers = [self._node(operation, argument) for operation, argument in nodes]

        def match(place: int, then: Then, number: int = 0) -> int | None:
            if number == len(matchers):
                return then(place)
            self.steps += 1
            return matchers[number](place, lambda after: match(after, then, number + 1))

        return match

    def _by_re(self, node: tuple[Any, Any]) -> re.Pattern[str]:
        return _compiler.compile(_parser.SubPattern(self._parsed.state, [node]), self._flags & ~re.UNICODE)

    def _node(self, operation: Any, argument: Any) -> Matcher:
        if operation in _OF_ONE:
            fits = self._one((operation, argument))
            return lambda place, then: then(place + 1) if place < len(self._text) and fits(self._text[place]) else None
        if operation is _constants.AT:
            position = self._by_re((operation, argument))
            return lambda place, then: then(place) if position.match(self._text, place) else None
        return getattr(self, f"_{str(operation).lower()}")(argument)  # type: ignore[no-any-return]

    def _one(self, node: tuple[Any, Any]) -> Callable[[str], bool]:
        pattern = self._by_re(node)
        return functools.cache(lambda character: pattern.match(character) is not None)

    def _subpattern(self, argument: Any) -> Matcher:
        group, _, _, nodes = argument
        inner = self._sequence(nodes)

        def match(place: int, then: Then) -> int | None:
            def close(end: int) -> int | None:
                if group is not None:
                    self._groups[group] = self._text[place:end]
                return then(end)

            return inner(place, close)

        return match

    def _branch(self, argument: Any) -> Matcher:
        branches = [self._sequence(nodes) for nodes in argument[1]]

        def match(place: int, then: Then) -> int | None:
            for branch in branches:
                end = branch(place, then)
                if end is not None:
                    return end
            return None

        return match

    def _assertion(self, argument: Any, wanted: bool) -> Matcher:
        direction, nodes = argument
        inner = self._sequence(nodes)
        back = nodes.getwidth()[0] if direction < 0 else 0

        def match(place: int, then: Then) -> int | None:
            holds = place >= back and inner(place - back, lambda end: end) is not None
            return then(place) if holds is wanted else None

        return match

    def _assert(self, argument: Any) -> Matcher:
        return self._assertion(argument, True)

    def _assert_not(self, argument: Any) -> Matcher:
        return self._assertion(argument, False)

    def _groupref(self, group: int) -> Matcher:
        def match(place: int, then: Then) -> int | None:
            same = group in self._groups and self._text.startswith(self._groups[group], place)
            return then(place + len(self._groups[group])) if same else None

        return match

    def _repeats(self, argument: Any, kind: str) -> Matcher:
        least, most, nodes = argument
        inner = self._sequence(nodes)
        single = len(nodes) == 1 and nodes[0][0] in _OF_ONE
        fits = self._one(nodes[0]) if single else None
        one_way = single or (len(nodes) == 1 and nodes[0][0] is _constants.GROUPREF)

        def next_end(place: int) -> int | None:
            if fits is not None:
                self.steps += 1
                return place + 1 if place < len(self._text) and fits(self._text[place]) else None
            return inner(place, lambda end: end)

        def in_a_row(place: int, then: Then) -> int | None:
            ends = [place]
            while len(ends) <= most:
                end = next_end(ends[-1])
                if end is None or end == ends[-1]:
                    break
                ends.append(end)
            if kind == "possessive":
                return then(ends[-1]) if len(ends) > least else None
            for end in reversed(ends[least:]):
                self.steps += 1
                found = then(end)
                if found is not None:
                    return found
            return None

        def each(place: int, then: Then, count: int = 0) -> int | None:
            if kind == "min" and count >= least:
                found = then(place)
                if found is not None:
                    return found
            if count < most:
                found = inner(place, lambda end: each(end, then, count + 1) if end > place else None)
                if found is not None:
                    return found
            return then(place) if kind == "max" and count >= least else None

        def lazily(place: int, then: Then) -> int | None:
            reached: int | None = place
            for count in range(most + 1):
                found = then(reached) if count >= least else None
                if found is not None:
                    return found
                reached = next_end(reached)
                if reached is None:
                    return None
            return None

        if kind == "possessive" or (one_way and kind == "max"):
            return in_a_row
        return lazily if single else each

    def _max_repeat(self, argument: Any) -> Matcher:
        return self._repeats(argument, "max")

    def _min_repeat(self, argument: Any) -> Matcher:
        return self._repeats(argument, "min")

    def _possessive_repeat(self, argument: Any) -> Matcher:
        return self._repeats(argument, "possessive")
