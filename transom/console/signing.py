"""What signing in, changing the project and signing out do: rows, cookies, tokens."""

from collections.abc import Sequence

from transom.clock import now_us
from transom.console.client import Client
from transom.console.identity import (
    AskIdentity,
    Project,
    Token,
    enter_project,
    find_default_project,
    list_projects,
    log_in,
    revoke,
)
from transom.console.session import MOST_PROJECTS, Box, Session, Sessions
from transom.domain.errors import TransomError, UnauthenticatedError

Header = tuple[bytes, bytes]
_LAST_PROJECT = "transom_project"
_YEAR_S = 365 * 86400


class Signing:
    """`keystone_url`: "" with the built-in identity."""

    def __init__(
        self,
        sessions: Sessions,
        ask: AskIdentity,
        *,
        cookie_name: str,
        cookie_path: str,
        is_secure: bool,
        keystone_url: str,
    ) -> None:
        self.sessions = sessions
        self.keystone_url = keystone_url
        self.ask = ask
        self._cookie_name = cookie_name
        self._cookie_path = cookie_path
        self._is_secure = is_secure

    async def sign_in(
        self, client: Client, user: str, password: str, domain: str, last_project: str | None
    ) -> list[Header]:
        """The cookies of a new session. Raises what `log_in` does."""
        unscoped = await log_in(self.ask, user, password, domain)
        projects = await list_projects(self.ask, unscoped.value)
        first = [one for one in projects if one.id == last_project]
        if not first:
            # Of another user of the browser, or left since.
            wanted = await find_default_project(self.ask, unscoped)
            first = [one for one in projects if one.id == wanted]
        for project in [*first, *projects]:
            try:
                return await self._begin(client, unscoped, project.id, projects)
            except UnauthenticatedError:
                continue  # A project that was disabled meanwhile.
        box = Box(unscoped=unscoped.value, token=None, roles=(), projects=(), has_more_projects=False)
        return [self._cookie(self._cookie_name, await self.sessions.begin(unscoped, box), unscoped)]

    async def change_project(self, client: Client, session: Session, project_id: str) -> list[Header]:
        """The cookies of the session in another project; the old one has ended. UnauthenticatedError when the
        user may not enter it."""
        row = session.row
        unscoped = Token(
            value=session.box.unscoped,
            user_id=row.user_id,
            user_name=row.user_name,
            project_id=None,
            project_name=None,
            domain_name=None,
            roles=(),
            expires_at=row.expires_at,
        )
        projects = await list_projects(self.ask, unscoped.value)
        cookies = await self._begin(client, unscoped, project_id, projects)
        await self.sessions.end(session)
        return cookies

    async def list_projects(self, session: Session) -> Sequence[Project]:
        return await list_projects(self.ask, session.box.unscoped)

    async def sign_out(self, session: Session) -> list[Header]:
        """The session and its tokens have ended."""
        await self.end(session)
        gone = self._attributes(self._cookie_name, "", 0)
        return [(b"set-cookie", gone), (b"clear-site-data", b'"cache"')]

    async def end(self, session: Session) -> None:
        """The session and its tokens have ended; the browser is not told."""
        await self.sessions.end(session)
        for token in (session.box.token, session.box.unscoped):
            if token is not None:
                try:
                    await revoke(self.ask, token)
                except TransomError:
                    # Without the row nobody has it any more; it expires by itself.
                    continue

    def plain_cookie(self, name: str, value: str) -> Header:
        """A preference of the browser's; it opens nothing."""
        return (b"set-cookie", self._attributes(name, value, _YEAR_S if value else 0))

    async def _begin(
        self, client: Client, unscoped: Token, project_id: str, projects: Sequence[Project]
    ) -> list[Header]:
        token = await enter_project(self.ask, unscoped.value, project_id)
        token = token._replace(expires_at=min(token.expires_at, unscoped.expires_at))
        box = Box(
            unscoped=unscoped.value,
            token=token.value,
            roles=token.roles,
            projects=tuple(projects[:MOST_PROJECTS]),
            has_more_projects=len(projects) > MOST_PROJECTS,
            may_act=await _may_act(client, token.value),
            may_operate=await _may_operate(client, token.value),
        )
        cookie = await self.sessions.begin(token, box)
        return [
            self._cookie(self._cookie_name, cookie, token),
            self.plain_cookie(_LAST_PROJECT, project_id),
        ]

    def _cookie(self, name: str, value: str, token: Token) -> Header:
        left_s = max(0, (token.expires_at - now_us()) // 1_000_000)
        return (b"set-cookie", self._attributes(name, value, left_s))

    def _attributes(self, name: str, value: str, max_age_s: int) -> bytes:
        secure = "; Secure" if self._is_secure else ""
        return (
            f"{name}={value}; Path={self._cookie_path}; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"
        ).encode("ascii", "ignore")


async def _may_act(client: Client, token: str) -> bool:
    """Whether the user may make images here, told by a request that could not be carried out anyway."""
    answer = await client.ask("POST", "/v2/images", {"min_disk": -1}, token=token)
    return answer.status == 400


async def _may_operate(client: Client, token: str) -> bool:
    answer = await client.ask("GET", "/v2/info/stores/detail", token=token)
    return answer.status == 200
