"""Path → route, by a tree of segments. A literal segment wins over a variable one."""

from collections.abc import Iterable
from typing import Any

import msgspec


class Match(msgspec.Struct, frozen=True):
    """`methods`: what the path can do; `params`: its variables; `template`: as written in the table."""

    methods: dict[str, Any]
    params: dict[str, str]
    template: str


class _Node:
    __slots__ = ("literal", "methods", "names", "template", "variable")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.methods: dict[str, Any] = {}
        self.names: tuple[str, ...] = ()
        self.template = ""


class Router:
    """Built once of (method, path template, what to find there)."""

    def __init__(self, rows: Iterable[tuple[str, str, Any]]) -> None:
        self._root = _Node()
        for method, template, found in rows:
            node, names = self._root, []
            for segment in template.split("/")[1:]:
                if segment.startswith("{"):
                    names.append(segment[1:-1])
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.literal.setdefault(segment, _Node())
            node.methods[method] = found
            node.names, node.template = tuple(names), template

    def find(self, segments: list[str]) -> Match | None:
        """The route of a path, given its segments (decoded, without the empty one before the first slash)."""
        node, values = self._root, []
        for segment in segments:
            following = node.literal.get(segment)
            if following is None:
                following = node.variable
                if following is None or not segment:
                    return None
                values.append(segment)
            node = following
        if not node.methods:
            return None
        return Match(node.methods, dict(zip(node.names, values, strict=True)), node.template)
