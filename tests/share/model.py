"""Offers, answers, withdrawals and one family as the specification tells them, in plain Python.

It shares no code with the service. An image or a family is a name here, and so is a project.
"""

from dataclasses import dataclass, field

PENDING, ACCEPTED, REJECTED, LEFT = "pending", "accepted", "rejected", "left"


@dataclass
class Share:
    """A membership of an image. `is_brought`: by the family; else it was given directly."""

    status: str
    is_brought: bool = False


@dataclass
class Member:
    """A membership of the family. `new_versions`: the status that it gets new versions with."""

    status: str = PENDING
    new_versions: str = ACCEPTED


@dataclass
class World:
    """`versions`: the images that are versions of the family, by number from 1."""

    versions: list[str]
    shares: dict[tuple[str, str], Share] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    current: int | None = None
    promoted: set[int] = field(default_factory=set)
    revoked: set[int] = field(default_factory=set)

    # ---- images

    def offer(self, image: str, project: str) -> str:
        """What became of the pair."""
        share = self.shares.get((image, project))
        if share is None or share.status == REJECTED:
            self.shares[image, project] = Share(PENDING)
            return "offered" if share is None else "renewed"
        share.is_brought = False
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
            share.status = answer
        return "changed"

    def withdraw(self, image: str, project: str) -> str:
        return "absent" if self.shares.pop((image, project), None) is None else "withdrawn"

    # ---- the family

    def offer_family(self, project: str) -> str:
        member = self.members.get(project)
        if member is None or member.status == REJECTED:
            self.members[project] = Member()
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
            key = self.versions[self.current - 1], project
            self.shares.setdefault(key, Share(member.new_versions, is_brought=True))

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
            if number == self.current:
                self._point_at(max(self.promoted - self.revoked, default=None))

    def restore(self, number: int) -> None:
        self.revoked.discard(number)

    def state(self, number: int) -> str:
        if number in self.revoked:
            return "revoked"
        if number == self.current:
            return "current"
        return "superseded" if number in self.promoted else "candidate"

    def is_hidden(self, image: str) -> bool:
        return image in self.versions and self.versions.index(image) + 1 != self.current
