"""A real Keystone: installed once beside the virtual environment, started, spoken to, killed.

`make keystone` only installs it. Keystone needs other versions of much that the tests need, so
it lives in an environment of its own. Start reading at `Keystone`; `keystone_process.py` is the process.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from harness import plain_http
from harness.child import Child
from harness.environments import install
from harness.ports import find_free_port
from harness.service import Cloud

# Keystone takes several seconds of CPU to start, and a busy machine has little of it to give.
READY_TIMEOUT_S = 240.0
REGION = "RegionOne"
DOMAIN = "default"

# Name, project, role. `admin` is there from the start, with its role on the system too.
ACCOUNTS = [
    ("demo", "demo", "member"),
    ("demo-reader", "demo", "reader"),
    ("demo-manager", "demo", "manager"),
    ("demo-admin", "demo", "admin"),
    ("alt", "alt", "member"),
    ("alt-reader", "alt", "reader"),
    ("third", "third", "member"),
    ("transom", "service", "service"),
]

# Cheap password hashes: the tests log in often. Without the cache a request takes half a second of processor
# time.
CONFIG = """\
[DEFAULT]
use_stderr = true
[database]
connection = {database}
[token]
provider = fernet
expiration = {token_lifetime_s}
[fernet_tokens]
key_repository = {folder}/fernet-keys
[credential]
key_repository = {folder}/credential-keys
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = oslo_cache.dict
[unified_limit]
caching = false
"""


def install_keystone() -> Path:
    """The Python that has Keystone; installs it if that has not been done yet."""
    return install("keystone")


class Keystone:
    """One Keystone process with its own port, keys and database, and the accounts above in it.

    The port is chosen once, so that after `kill` a `start` serves the same data at the same
    address. All accounts have the same password, `password`, and all are in the domain `default`.

    work_dir: an existing empty directory. database: `postgresql://…`; None is a SQLite file in work_dir.
    """

    def __init__(
        self,
        work_dir: Path,
        database: str | None = None,
        token_lifetime_s: int = 86400,
    ) -> None:
        self.work_dir = work_dir
        self.log_path = work_dir / "keystone.log"
        self.password = secrets.token_urlsafe(18)
        self.clouds: dict[str, Cloud] = {}
        self.projects: dict[str, str] = {}
        self.users: dict[str, str] = {}
        self.roles: dict[str, str] = {}
        self._port = find_free_port()
        self._child = Child("Keystone", self.log_path, self._is_ready, READY_TIMEOUT_S)
        self._admin: httpx.Client | None = None
        url = database or f"sqlite:///{work_dir / 'keystone.db'}"
        config = CONFIG.format(
            folder=work_dir,
            database=url.replace("postgresql://", "postgresql+psycopg2://"),
            token_lifetime_s=token_lifetime_s,
        )
        (work_dir / "keystone.conf").write_text(config)

    @property
    def is_running(self) -> bool:
        return self._child.is_running

    @property
    def auth_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v3"

    @property
    def admin(self) -> httpx.Client:
        """Speaks to Keystone as its administrator; paths are below `auth_url`."""
        if self._admin is None:
            token = self.token("admin")
            self._admin = _make_client(self.auth_url, {"X-Auth-Token": token})
        return self._admin

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and return when it answers; the first time, make the accounts too."""
        # Isolated: in the folder of the script, `keystone` is this module.
        python = [str(install_keystone()), "-I", "-W", "ignore"]
        script = str(Path(__file__).with_name("keystone_process.py"))
        command = [*python, script, str(self.work_dir), str(self._port)]
        self._child.start(command, self.work_dir, {**os.environ, "OS_BOOTSTRAP_PASSWORD": self.password})
        try:
            if not self.clouds:
                self._make_accounts()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        self._child.kill()

    def close(self) -> None:
        """Stop the process if it runs; Keystone is not to be used afterwards."""
        if self._child.is_running:
            # It has nothing to lose, and is slow to stop.
            self.kill()
        if self._admin is not None:
            self._admin.close()

    def add_user(self, name: str, project: str, role: str) -> Cloud:
        """Make an account with one role in a project, new or not."""
        if project not in self.projects:
            found = self.create("projects", {"name": project, "domain_id": DOMAIN})
            self.projects[project] = found["id"]
        user = {"name": name, "password": self.password, "domain_id": DOMAIN}
        self.users[name] = self.create("users", user)["id"]
        self.grant(name, project, role)
        return self._add_cloud(name, project)

    def grant(self, user: str, project: str, role: str) -> None:
        """Give a role in a project; all three by name."""
        self._grant(f"projects/{self.projects[project]}", user, role)

    def grant_on_system(self, user: str, role: str) -> None:
        self._grant("system", user, role)

    def create(self, collection: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """POST a record to one of Keystone's collections and return it as made."""
        kind = collection.removesuffix("s")
        answer = self._expect(self.admin.post(f"/{collection}", json={kind: record}))
        made: dict[str, Any] = answer.json()[kind]
        return made

    def change(self, collection: str, record_id: str, **values: Any) -> None:
        """PATCH a record, as in `change("users", user_id, enabled=False)`."""
        kind = collection.removesuffix("s")
        self._expect(self.admin.patch(f"/{collection}/{record_id}", json={kind: values}))

    def token(self, name: str, scope: Mapping[str, Any] | None = None) -> str:
        """A new token of this account: in its project, or in the scope given as the API has it."""
        if scope is None:
            project = self.clouds[name].project_name if name in self.clouds else "admin"
            scope = {"project": {"name": project, "domain": {"id": DOMAIN}}}
        user = {"name": name, "domain": {"id": DOMAIN}, "password": self.password}
        return self.log_in({"methods": ["password"], "password": {"user": user}}, scope)

    def log_in(self, identity: Mapping[str, Any], scope: Mapping[str, Any] | None = None) -> str:
        """The token for an `identity` as in the body of POST /v3/auth/tokens; `scope` {} asks for none."""
        auth: dict[str, Any] = {"identity": identity}
        if scope is not None:
            auth["scope"] = scope or "unscoped"
        with _make_client(self.auth_url, {}) as client:
            answer = self._expect(client.post("/auth/tokens", json={"auth": auth}))
        return answer.headers["X-Subject-Token"]

    def make_key(self, name: str) -> dict[str, str]:
        """A key pair of this account in its project: `access` and `secret`."""
        record = {"tenant_id": self.clouds[name].project_id}
        headers = {"X-Auth-Token": self.token(name)}
        path = f"/users/{self.users[name]}/credentials/OS-EC2"
        answer = self._expect(self.admin.post(path, json=record, headers=headers))
        made: dict[str, str] = answer.json()["credential"]
        return made

    def revoke(self, token: str) -> None:
        self._expect(self.admin.delete("/auth/tokens", headers={"X-Subject-Token": token}))

    def set_image_endpoint(self, url: str, service_type: str = "image", region: str = REGION) -> None:
        """Have the catalog name this URL, for all three interfaces."""
        if region not in {found["id"] for found in self._list("regions")}:
            self.create("regions", {"id": region})
        found = self._expect(self.admin.get("/services", params={"type": service_type})).json()["services"]
        service = found[0] if found else self.create("services", {"type": service_type, "name": service_type})
        listed = self._expect(self.admin.get("/endpoints", params={"service_id": service["id"]})).json()
        known = {
            endpoint["interface"]: endpoint["id"]
            for endpoint in listed["endpoints"]
            if endpoint["region_id"] == region
        }
        for interface in ("public", "internal", "admin"):
            if interface in known:
                self.change("endpoints", known[interface], url=url)
            else:
                endpoint = {
                    "service_id": service["id"],
                    "interface": interface,
                    "region_id": region,
                    "url": url,
                }
                self.create("endpoints", endpoint)

    def settings(self) -> dict[str, str]:
        """What makes a Transom use this Keystone."""
        return {
            "TRANSOM_IDENTITY": "keystone",
            "TRANSOM_KEYSTONE_AUTH_URL": self.auth_url,
            "TRANSOM_KEYSTONE_USERNAME": "transom",
            "TRANSOM_KEYSTONE_PASSWORD": self.password,
            "TRANSOM_KEYSTONE_PROJECT_NAME": "service",
        }

    def _is_ready(self) -> bool:
        try:
            answer = plain_http.get(self.auth_url, timeout=10)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    def _make_accounts(self) -> None:
        for project in self._list("projects"):
            self.projects[project["name"]] = project["id"]
        for role in self._list("roles"):
            self.roles[role["name"]] = role["id"]
        for user in self._list("users"):
            self.users[user["name"]] = user["id"]
        self._add_cloud("admin", "admin")
        for account in ACCOUNTS:
            self.add_user(*account)
        # To look up the keys of signed requests.
        self.grant_on_system("transom", "reader")

    def _add_cloud(self, name: str, project: str) -> Cloud:
        self.clouds[name] = Cloud(
            name=name,
            auth_url=self.auth_url,
            username=name,
            password=self.password,
            project_name=project,
            project_id=self.projects[project],
        )
        return self.clouds[name]

    def _grant(self, target: str, user: str, role: str) -> None:
        path = f"/{target}/users/{self.users[user]}/roles/{self.roles[role]}"
        self._expect(self.admin.put(path))

    def _list(self, collection: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self._expect(self.admin.get(f"/{collection}")).json()[collection]
        return listed

    def _expect(self, answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            asked = f"{answer.request.method} {answer.request.url}"
            raise self._child.failure(f"{asked}: {answer.status_code} {answer.text}")
        return answer


def _make_client(base_url: str, headers: Mapping[str, str]) -> httpx.Client:
    # Proxy settings of the machine must not stand between the tests and the loopback address.
    return plain_http.open_client(base_url=base_url, headers=headers, timeout=60)
