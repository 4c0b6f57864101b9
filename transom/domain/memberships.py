"""Memberships: what a look at them finds, and each way in which they change.

Records only: `sql/members.py` reads the former and writes the latter, `transom/sharing` decides.
"""

from collections.abc import Sequence

import msgspec

from transom.domain.model import NEVER, Image, Member, Target

# ---- what a look finds


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One image and what was asked of its memberships. `image`: None when there is none of this id.
    `is_member`: whether the caller is a member in any status, by its project, domain or an organisation.
    `member`: the membership that was asked for; `members`: all of them, by member id, where all were."""

    image_id: str
    image: Image | None = None
    is_member: bool = False
    member: Member | None = None
    members: Sequence[Member] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Images of a batch (`ids`) that are alike in all that its rules look at, so that they are judged once.

    `is_member`: whether the caller is one; `members`: how many there are; `status`, `vault_id`: what the
    caller answered and the vault that it named, where it is its answer that matters. `image`: all of it,
    where a rule may ask for more; it is then the only one.
    """

    ids: Sequence[str]
    owner: str | None
    visibility: str
    properties: dict[str, str]
    is_member: bool
    members: int = 0
    status: str | None = None
    vault_id: str | None = None
    image: Image | None = None

    @property
    def target(self) -> Target:
        return Target(self.owner, self.visibility, self.is_member, self.image)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What an offer is made with. `message`: to the recipient, never interpreted. `ends_at`: until when it
    can be answered, at most `expires_at`; `expires_at`: until when the share lasts."""

    message: str | None = None
    ends_at: int = NEVER
    expires_at: int = NEVER


class NewTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of the terms of a share; UNSET: stays. Times in microseconds, None: no end."""

    message: str | msgspec.UnsetType | None = msgspec.UNSET
    answer_by: int | msgspec.UnsetType | None = msgspec.UNSET
    expires_at: int | msgspec.UnsetType | None = msgspec.UNSET


# ---- how one membership changes, if what was seen before still holds


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Make a pending membership of an image that is shared and belongs to `owner`, unless it exists or the
    image has `quota` members (negative: no limit). One that has ended and was not removed is in the way
    (`RemoveEndedOf`)."""

    image_id: str
    owner: str | None
    member_id: str
    quota: int
    now: int
    terms: Terms = Terms()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Give a membership of an image that is shared this status. `was`: the one seen before, not the same."""

    image_id: str
    member_id: str
    status: str
    was: str
    now: int


class AnswerUnseen(msgspec.Struct, frozen=True, kw_only=True):
    """Give a project's membership of an image that is shared, and not its own, this status, whatever other
    it has."""

    image_id: str
    member_id: str
    status: str
    now: int


class AnswerWithVault(msgspec.Struct, frozen=True, kw_only=True):
    """As `Answer`, with the vault that the recipient names (None: the previous one); the status may stay.
    What was seen before: the `updated_at` of the image, which decides whether a vault is needed, and the
    vault named then."""

    image_id: str
    member_id: str
    status: str
    was: str
    vault_id: str | None
    now: int
    seen_version: int
    seen_vault_id: str | None


class Withdraw(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a membership of an image that is shared. `reason`: told to the recipient."""

    image_id: str
    member_id: str
    now: int
    reason: str | None = None


class ChangeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Give a membership of an image that is shared these terms, unless it was inherited and would then end
    after the family's. `seen_version`: its `updated_at` before."""

    image_id: str
    member_id: str
    terms: Terms
    now: int
    seen_version: int


Single = Offer | Answer | AnswerUnseen | AnswerWithVault | Withdraw | ChangeTerms

# ---- how those of many images change, for a script that has locked them and judged


class OfferEach(msgspec.Struct, frozen=True, kw_only=True):
    """Make each image's membership for each recipient that has none: pending, of a domain accepted. None that
    has ended may be in the way (`RemoveEndedOf`)."""

    image_ids: Sequence[str]
    member_ids: Sequence[str]
    now: int
    terms: Terms = Terms()


class RenewEach(msgspec.Struct, frozen=True, kw_only=True):
    """Offer each image once more to each recipient that rejected it."""

    image_ids: Sequence[str]
    member_ids: Sequence[str]
    now: int
    terms: Terms = Terms()


class AnswerEach(msgspec.Struct, frozen=True, kw_only=True):
    """Give one recipient's membership of each image this status. `was`: the one that they have."""

    image_ids: Sequence[str]
    member_id: str
    status: str
    was: str
    now: int


class NameVaultEach(msgspec.Struct, frozen=True, kw_only=True):
    """Name the recipient's vault for each image."""

    image_ids: Sequence[str]
    member_id: str
    vault_id: str
    now: int


class LeaveEach(msgspec.Struct, frozen=True, kw_only=True):
    """Remove one recipient's membership of each image, as it wants it."""

    image_ids: Sequence[str]
    member_id: str
    now: int


class WithdrawEach(msgspec.Struct, frozen=True, kw_only=True):
    """Remove each image's memberships of these recipients; None: of all. `reason`: told to the recipients."""

    image_ids: Sequence[str]
    member_ids: Sequence[str] | None
    now: int
    reason: str | None = None


class MakeDirectEach(msgspec.Struct, frozen=True, kw_only=True):
    """Let each image's membership of these recipients be a direct one from now on, if it was inherited."""

    image_ids: Sequence[str]
    member_ids: Sequence[str]
    now: int


class RemoveEndedOf(msgspec.Struct, frozen=True, kw_only=True):
    """Remove the memberships of these recipients that have ended: offers come next."""

    image_ids: Sequence[str]
    member_ids: Sequence[str]
    now: int


class RemoveWithImage(msgspec.Struct, frozen=True, kw_only=True):
    """Remove all memberships of an image that is deleted."""

    image_id: str
    now: int


class RemoveEnded(msgspec.Struct, frozen=True, kw_only=True):
    """Remove memberships that have ended, those that ended first, at most `limit`."""

    now: int
    limit: int


Each = (
    OfferEach
    | RenewEach
    | AnswerEach
    | NameVaultEach
    | LeaveEach
    | WithdrawEach
    | MakeDirectEach
    | RemoveEndedOf
    | RemoveWithImage
    | RemoveEnded
)
Change = Single | Each

# ---- how those inherited from a family change, for a script that has locked it


class GrantInherited(msgspec.Struct, frozen=True, kw_only=True):
    """Make a membership of the image for each of the family's accepted members that has none, with the status
    that it wants for new versions and with its end. `member_ids`: only for these."""

    family_id: str
    image_id: str
    member_ids: Sequence[str] | None
    now: int


class AnswerInherited(msgspec.Struct, frozen=True, kw_only=True):
    """Give the memberships that one recipient inherited this status. `was`: those that have this one."""

    family_id: str
    member_id: str
    status: str
    was: str
    now: int


class LimitInherited(msgspec.Struct, frozen=True, kw_only=True):
    """Let all memberships that these recipients inherited from the family end then."""

    family_id: str
    member_ids: Sequence[str]
    ends_at: int
    now: int


class RemoveInherited(msgspec.Struct, frozen=True, kw_only=True):
    """Remove all memberships that these recipients inherited from the family. `how`: left, withdrawn, lapsed
    or expired; `reason`: told to the recipients."""

    family_id: str
    member_ids: Sequence[str]
    how: str
    reason: str | None
    now: int


class EndInherited(msgspec.Struct, frozen=True, kw_only=True):
    """Remove those that these recipients inherited and that have ended: the others go next."""

    family_id: str
    member_ids: Sequence[str]
    now: int


class EndBefore(msgspec.Struct, frozen=True, kw_only=True):
    """Remove the memberships of the image that have ended: a family grants new ones next."""

    image_id: str
    now: int


class Detach(msgspec.Struct, frozen=True, kw_only=True):
    """From now on the memberships inherited from the family are direct. `image_id`: those of this image."""

    family_id: str
    image_id: str | None


InheritedChange = (
    GrantInherited | AnswerInherited | LimitInherited | RemoveInherited | EndInherited | EndBefore | Detach
)
