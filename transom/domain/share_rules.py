"""A recipient's rules: how it answers at once what a publisher offers."""

from collections.abc import Callable

import msgspec

#: The publisher of the rule for whoever has no other.
EVERYBODY = "*"


class ShareRule(msgspec.Struct, frozen=True, kw_only=True):
    """`publisher`: a project's id, the `domain_key` of a domain, or EVERYBODY; `answer`: the first status of
    what it offers to the project."""

    publisher: str
    answer: str
    updated_at: int


#: Raises when the rule, None if there is none, is not what the client takes it for.
Guard = Callable[[ShareRule | None], None]
