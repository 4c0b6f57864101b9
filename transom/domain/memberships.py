"""What a look at images and their memberships finds."""

from collections.abc import Sequence

import msgspec

from transom.domain.model import Image, Target


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Images of a batch (`ids`) that are alike in all that its rules look at, so that they are judged once.

    `is_member`: whether the caller is one; `members`: how many there are; `vault_id`: the vault that the
    caller named before. `image`: all of it, where a rule may ask for more; it is then the only one.
    """

    ids: Sequence[str]
    owner: str | None
    visibility: str
    properties: dict[str, str]
    is_member: bool
    members: int = 0
    vault_id: str | None = None
    image: Image | None = None

    @property
    def target(self) -> Target:
        return Target(self.owner, self.visibility, self.is_member, self.image)
