"""What a route is to the document: `routes.py` has it, and hands it in."""

from typing import Protocol


class RouteLike(Protocol):
    """`takes_body`: as in `routes.Route`."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def takes_body(self) -> bool | None: ...
