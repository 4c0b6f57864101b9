"""The accounts file: made once, changed by several processes at once, clear about what is wrong in it."""

import multiprocessing
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from transom.domain.recipients import MemberType
from transom.identity import Names, changes
from transom.identity.accounts import AccountsFile, create_first_accounts, new_project
from transom.identity.changes import CREDENTIALS_PER_USER
from transom.identity.clouds import refresh_clouds
from transom.identity.current_roles import CurrentRoles
from transom.identity.directory import (
    Accounts,
    AccountsError,
    ApplicationCredential,
    Directory,
    Domain,
    Project,
    Reference,
    Role,
    imply_roles,
)

DEFAULT = Domain(id="default", name="Default")
WRITERS = 4
CHANGES_EACH = 15


def _read_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _add_projects(data_dir: Path, writer: int) -> None:
    file = AccountsFile(data_dir)
    for number in range(CHANGES_EACH):
        project = new_project(f"w{writer}-{number}")
        file.change(lambda accounts, added=project: changes.add_project(accounts, added))  # type: ignore[misc]


def _edit(data_dir: Path, old: str, new: str) -> None:
    path = data_dir / "identity" / "accounts.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.anyio
async def test_names_are_those_that_the_file_has_now(data_dir: Path) -> None:
    file, names = AccountsFile(data_dir), CurrentRoles(data_dir)
    user = file.read().get_user("publisher")
    project_id = file.read().get_project("publisher").id
    named = Names(name="publisher", domain_id="default", domain_name="Default")

    assert await names.find_user_names(user.id) == named
    assert await names.find_names(MemberType.PROJECT, project_id) == named
    assert await names.find_names(MemberType.DOMAIN, "default") == Names(name="Default")
    assert await names.find_user_names(project_id) is None
    assert await names.find_names(MemberType.PROJECT, user.id) is None

    file.change(lambda accounts: changes.remove_user(accounts, user.id))
    assert await names.find_user_names(user.id) is None


def test_first_start_makes_four_users_in_projects_of_their_names(data_dir: Path) -> None:
    directory = AccountsFile(data_dir).read()

    found = {
        user.name: [
            (project.name, directory.list_roles(user.id, project.id))
            for project in directory.list_projects(user.id)
        ]
        for user in directory.users.values()
    }

    member = (Role.MEMBER, Role.READER)
    assert found == {
        "admin": [("admin", (Role.ADMIN, Role.MANAGER, *member))],
        "publisher": [("publisher", member)],
        "recipient": [("recipient", member)],
        "other": [("other", member)],
    }


def test_first_start_gives_each_user_an_access_key(data_dir: Path, clouds: dict[str, Any]) -> None:
    directory = AccountsFile(data_dir).read()

    key = directory.access_keys[clouds["publisher"]["ak"]]

    assert key.secret == clouds["publisher"]["sk"]
    assert directory.users[key.user_id].name == "publisher"
    assert key.project_id == clouds["publisher"]["auth"]["project_id"]


def test_second_start_changes_nothing(data_dir: Path) -> None:
    before = (data_dir / "identity" / "accounts.yaml").read_bytes(), (data_dir / "clouds.yaml").read_bytes()

    is_made = create_first_accounts(data_dir, "http://elsewhere:1/identity/v3", "Elsewhere")

    after = (data_dir / "identity" / "accounts.yaml").read_bytes(), (data_dir / "clouds.yaml").read_bytes()
    assert not is_made
    assert after == before


def test_start_is_refused_over_a_malformed_accounts_file(data_dir: Path) -> None:
    _edit(data_dir, "users:", "user:")

    with pytest.raises(AccountsError, match="unknown field `user`"):
        create_first_accounts(data_dir, "http://elsewhere:1/identity/v3", "Elsewhere")


def test_only_the_owner_of_the_process_can_read_secrets(data_dir: Path) -> None:
    modes = {
        name: oct(_read_mode(data_dir / name))
        for name in ("identity", "identity/accounts.yaml", "clouds.yaml")
    }

    assert modes == {"identity": "0o700", "identity/accounts.yaml": "0o600", "clouds.yaml": "0o600"}


def test_a_wide_umask_does_not_open_a_rewritten_file(data_dir: Path) -> None:
    before = os.umask(0)
    try:
        AccountsFile(data_dir).change(lambda accounts: changes.add_project(accounts, new_project("more")))
    finally:
        os.umask(before)

    assert _read_mode(data_dir / "identity" / "accounts.yaml") == 0o600


def test_another_port_is_written_to_clouds_and_passwords_are_kept(
    data_dir: Path, clouds: dict[str, Any]
) -> None:
    is_written = refresh_clouds(data_dir, "http://127.0.0.1:8080/identity/v3", "RegionTwo")

    entry = yaml.safe_load((data_dir / "clouds.yaml").read_text())["clouds"]["publisher"]
    assert is_written
    assert entry["auth"]["auth_url"] == "http://127.0.0.1:8080/identity/v3"
    assert entry["region_name"] == "RegionTwo"
    assert entry["auth"]["password"] == clouds["publisher"]["auth"]["password"]


def test_clouds_of_others_are_left_alone(data_dir: Path) -> None:
    foreign = {"auth": {"auth_url": "https://cloud.example/v3"}}
    path = data_dir / "clouds.yaml"
    document = yaml.safe_load(path.read_text())
    document["clouds"]["foreign"] = foreign
    path.write_text(yaml.safe_dump(document))

    refresh_clouds(data_dir, "http://127.0.0.1:8080/identity/v3", "RegionOne")

    assert yaml.safe_load(path.read_text())["clouds"]["foreign"] == foreign


@pytest.mark.parametrize("content", ["", "[1", "clouds: 3", "clouds: {a: 1}", "- x"])
def test_a_clouds_file_in_another_form_is_left_alone(data_dir: Path, content: str) -> None:
    (data_dir / "clouds.yaml").write_text(content)

    is_written = refresh_clouds(data_dir, "http://127.0.0.1:8080/identity/v3", "RegionOne")

    assert not is_written
    assert (data_dir / "clouds.yaml").read_text() == content


def test_no_change_of_concurrent_processes_is_lost(data_dir: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_add_projects, args=(data_dir, writer)) for writer in range(WRITERS)]

    for process in writers:
        process.start()
    for process in writers:
        process.join(60)

    names = {project.name for project in AccountsFile(data_dir).read().projects.values()}
    assert [process.exitcode for process in writers] == [0] * WRITERS
    assert names >= {f"w{writer}-{number}" for writer in range(WRITERS) for number in range(CHANGES_EACH)}


def test_a_reader_sees_whole_files_only_and_each_change_at_once(data_dir: Path) -> None:
    """Changes follow one another within a tick of the kernel's file clock, in a file of unchanging size."""
    reader, writer = AccountsFile(data_dir), AccountsFile(data_dir)
    project_id = reader.read().get_project("other").id

    for number in range(200):
        name = f"name-{number:03}"
        writer.change(lambda accounts, name=name: _rename(accounts, project_id, name))  # type: ignore[misc]

        assert reader.read().projects[project_id].name == name


def _rename(accounts: Accounts, project_id: str, name: str) -> Accounts:
    projects = tuple(
        msgspec.structs.replace(project, name=name) if project.id == project_id else project
        for project in accounts.projects
    )
    return msgspec.structs.replace(accounts, projects=projects)


def test_an_edit_in_place_of_equal_length_is_seen(data_dir: Path) -> None:
    file = AccountsFile(data_dir)
    file.read()

    _edit(data_dir, "name: other", "name: othes")

    assert file.read().find_project(Reference(name="othes")) is not None


def test_the_same_object_is_read_until_the_file_changes(data_dir: Path) -> None:
    file = AccountsFile(data_dir)

    first, second = file.read(), file.read()

    assert second is first


def test_a_refused_change_leaves_the_file_as_it_was(data_dir: Path) -> None:
    file = AccountsFile(data_dir)
    before = file.path.read_bytes()

    with pytest.raises(ConflictError):
        file.change(lambda accounts: changes.add_project(accounts, new_project("publisher")))

    assert file.path.read_bytes() == before


def test_a_left_over_of_a_crashed_write_does_no_harm(data_dir: Path) -> None:
    file = AccountsFile(data_dir)
    (data_dir / "identity" / ".accounts.yaml.new").write_text("half a fi")

    file.change(lambda accounts: changes.add_project(accounts, new_project("more")))

    assert file.read().get_project("more")


def test_a_change_in_a_folder_without_accounts_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(AccountsError, match="No such file"):
        AccountsFile(tmp_path / "mistyped").change(lambda accounts: accounts)

    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("domains:", "domains: [", "line 4"),
        ("domains:", "domain:", "unknown field `domain`"),
        ("name: publisher", "name: 7", r"Expected `str`, got `int` - at `\$.projects\[1\].name`"),
        ("name: publisher", "name: admin", r"projects\[1\].name: 'admin' is there twice"),
        ("domain_id: default", "domain_id: nowhere", r"projects\[0\].domain_id: there is no 'nowhere'"),
        ("  - member", "  - boss", r"Invalid enum value 'boss' - at `\$.grants\[1\].roles\[0\]`"),
        ("- user_id: ", "- user_id: x", r"grants\[0\].user_id: there is no 'x"),
    ],
)
def test_an_error_in_the_file_is_named_with_its_place(data_dir: Path, old: str, new: str, place: str) -> None:
    _edit(data_dir, old, new)

    with pytest.raises(AccountsError, match=place):
        AccountsFile(data_dir).read()


def test_a_mended_file_is_read_again(data_dir: Path) -> None:
    file = AccountsFile(data_dir)
    _edit(data_dir, "users:", "user:")
    with pytest.raises(AccountsError):
        file.read()

    _edit(data_dir, "user:", "users:")

    assert file.read().get_user("publisher")


def test_a_name_that_could_not_be_read_back_is_refused(data_dir: Path) -> None:
    file = AccountsFile(data_dir)

    with pytest.raises(InvalidError, match="name"):
        file.change(lambda accounts: changes.add_project(accounts, new_project("")))

    assert file.read()


@given(name=st.text(min_size=1, max_size=255))
def test_any_name_comes_back_from_the_file_as_it_went_in(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data_dir = tmp_path_factory.mktemp("names")
    file = AccountsFile(data_dir)
    file.path.parent.mkdir()
    file.path.write_text("domains: [{id: default, name: Default}]")

    file.change(lambda accounts: changes.add_project(accounts, Project(id="p", name=name)))

    assert file.read().projects["p"].name == name


@pytest.mark.parametrize(
    ("role", "held"),
    [
        (Role.ADMIN, {Role.ADMIN, Role.MANAGER, Role.MEMBER, Role.READER}),
        (Role.MANAGER, {Role.MANAGER, Role.MEMBER, Role.READER}),
        (Role.MEMBER, {Role.MEMBER, Role.READER}),
        (Role.READER, {Role.READER}),
        (Role.SERVICE, {Role.SERVICE}),
    ],
)
def test_a_role_implies_those_below_it(role: Role, held: set[Role]) -> None:
    assert set(imply_roles([role])) == held


def test_removing_a_user_removes_all_that_is_the_users_but_its_project(data_dir: Path) -> None:
    directory = AccountsFile(data_dir).read()
    user = directory.get_user("publisher")

    after = Directory(changes.remove_user(directory.accounts, user.id))

    assert user.id not in after.users
    assert all(key.user_id != user.id for key in after.access_keys.values())
    assert after.get_project("publisher")


def test_revoking_the_last_role_removes_the_secrets_of_that_project(data_dir: Path) -> None:
    directory = AccountsFile(data_dir).read()
    user, project = directory.get_user("publisher"), directory.get_project("publisher")

    after = changes.revoke_roles(directory.accounts, user.id, project.id, [Role.MEMBER])

    assert all(key.user_id != user.id for key in after.access_keys)


def test_a_role_the_user_lacks_cannot_be_revoked(data_dir: Path) -> None:
    directory = AccountsFile(data_dir).read()
    user, project = directory.get_user("publisher"), directory.get_project("publisher")

    with pytest.raises(NotFoundError, match="'admin'"):
        changes.revoke_roles(directory.accounts, user.id, project.id, [Role.ADMIN])


def test_a_user_cannot_make_application_credentials_without_end(data_dir: Path) -> None:
    directory = AccountsFile(data_dir).read()
    user, project = directory.get_user("publisher"), directory.get_project("publisher")
    made = [
        ApplicationCredential(
            id=f"c{number}",
            name=f"n{number}",
            user_id=user.id,
            project_id=project.id,
            roles=(Role.READER,),
            secret_hash="",
        )
        for number in range(CREDENTIALS_PER_USER + 1)
    ]
    full = msgspec.structs.replace(directory.accounts, application_credentials=tuple(made[:-1]))

    with pytest.raises(ForbiddenError, match=str(CREDENTIALS_PER_USER)):
        changes.add_credential(full, made[-1])
