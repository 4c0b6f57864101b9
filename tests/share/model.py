"""Offers, answers, withdrawals and one family as the specification tells them, in plain Python.

It shares no code with the service. An image or a family is a name here, and so is a project.
"""

from dataclasses import dataclass, field

PENDING, ACCEPTED, REJECTED, LEFT = "pending", "accepted", "rejected", "left"
NEVER = 1 << 62


@dataclass(frozen=True)
class Terms:
    """Moments: until when it can be answered, and when it ends."""

    answer_by: int = NEVER
    expires_at: int = NEVER


@dataclass
class Offered:
    """What has been offered. It lapses as long as it was never answered."""

    terms: Terms
    status: str = PENDING
    is_answered: bool = False

    @property
    def ends_at(self) -> int:
        return self.terms.expires_at if self.is_answered else min(self.terms.answer_by, self.terms.expires_at)


@dataclass
class Share(Offered):
    """A membership of an image. `is_brought`: by the family; else it was given directly."""

    is_brought: bool = False


@dataclass
class Member(Offered):
    """A membership of the family. `new_versions`: the status that it gets new versions with."""

    new_versions: str = ACCEPTED


@dataclass
class World:
    """`versions`: the images that are versions of the family, by number. `now`: a moment."""

    versions: dict[int, str]
    shares: dict[tuple[str, str], Share] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    current: int | None = None
    promoted: set[int] = field(default_factory=set)
    revoked: set[int] = field(default_factory=set)
    now: int = 0

    # ---- time

    def ends(self) -> list[int]:
        """Moments at which something will end."""
        ends = {self._end(key) for key in self.shares} | {one.ends_at for one in self.members.values()}
        return sorted(ends - {NEVER})

    def pass_to(self, now: int) -> None:
        self.now = now
        for project in [one for one, member in self.members.items() if member.ends_at <= now]:
            self.withdraw_family(project)
        self.shares = {key: share for key, share in self.shares.items() if self._end(key) > now}

    def _end(self, key: tuple[str, str]) -> int:
        """What the family brought ends with its membership at the latest."""
        share = self.shares[key]
        return self.members[key[1]].ends_at if share.is_brought else share.ends_at

    # ---- images

    def offer(self, image: str, project: str, terms: Terms | None = None) -> str:
        """What became of the pair."""
        share = self.shares.get((image, project))
        if share is None or share.status == REJECTED:
            self.shares[image, project] = Share(terms or Terms())
            return "offered" if share is None else "renewed"
        if share.is_brought:
            share.is_brought, share.terms = False, Terms(expires_at=self._end((image, project)))
        return "unchanged"

    def answer(self, image: str, project: str, answer: str) -> str:
        share = self.shares.get((image, project))
        if share is None:
            return "failure"
        if answer == LEFT:
            del self.shares[image, project]
        elif share.status == answer:
            return "unchanged"
        else:
            share.status, share.is_answered = answer, True
        return "changed"

    def withdraw(self, image: str, project: str) -> str:
        return "absent" if self.shares.pop((image, project), None) is None else "withdrawn"

    # ---- the family

    def offer_family(self, project: str, terms: Terms | None = None) -> str:
        member = self.members.get(project)
        if member is None or member.status == REJECTED:
            self.members[project] = Member(terms or Terms())
            return "offered" if member is None else "renewed"
        return "unchanged"

    def answer_family(self, project: str, answer: str, new_versions: str | None) -> str:
        member = self.members.get(project)
        if member is None:
            return "failure"
        if answer == LEFT:
            self.withdraw_family(project)
            return "changed"
        wanted = new_versions or member.new_versions
        if (member.status, member.new_versions) == (answer, wanted):
            return "unchanged"
        if member.status != answer:
            member.is_answered = True
            for share in self._brought(project).values():
                share.status = wanted if answer == ACCEPTED else answer
        member.status, member.new_versions = answer, wanted
        self._bring(project)
        return "changed"

    def withdraw_family(self, project: str) -> str:
        for key in self._brought(project):
            del self.shares[key]
        return "absent" if self.members.pop(project, None) is None else "withdrawn"

    def _brought(self, project: str) -> dict[tuple[str, str], Share]:
        return {key: one for key, one in self.shares.items() if key[1] == project and one.is_brought}

    def _bring(self, project: str) -> None:
        member = self.members[project]
        if member.status == ACCEPTED and self.current is not None:
            key = self.versions[self.current], project
            self.shares.setdefault(key, Share(member.terms, member.new_versions, is_brought=True))

    # ---- its versions

    def promote(self, number: int) -> bool:
        """False: it cannot be."""
        if number in self.revoked:
            return False
        self._point_at(number)
        return True

    def _point_at(self, number: int | None) -> None:
        self.current = number
        if number is not None:
            self.promoted.add(number)
            for project in self.members:
                self._bring(project)

    def revoke(self, number: int) -> None:
        if number not in self.revoked:
            self.revoked.add(number)
            self._fall_back(number)

    def restore(self, number: int) -> None:
        self.revoked.discard(number)

    def delete(self, number: int) -> None:
        """The version's image is gone."""
        image = self.versions.pop(number)
        self.shares = {key: share for key, share in self.shares.items() if key[0] != image}
        self.promoted.discard(number)
        self._fall_back(number)

    def _fall_back(self, number: int) -> None:
        if number == self.current:
            self._point_at(max(self.promoted - self.revoked, default=None))

    def state(self, number: int) -> str:
        if number in self.revoked:
            return "revoked"
        if number == self.current:
            return "current"
        return "superseded" if number in self.promoted else "candidate"

    def is_hidden(self, image: str) -> bool:
        return image in self.versions.values() and image != self.versions.get(self.current or 0)

    def number_of(self, image: str) -> int:
        return next(number for number, one in self.versions.items() if one == image)
