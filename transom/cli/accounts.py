"""`transom accounts`: users, projects and roles of the built-in identity, while the service runs or not.

Works on the accounts file itself and needs no token: who may write the data folder is the operator.
"""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from transom.cli.access_keys import keys
from transom.cli.failures import report_failures, require_folder
from transom.cli.tables import output_option, print_rows
from transom.config import Settings
from transom.identity import changes
from transom.identity.accounts import AccountsFile, new_access_key, new_project, new_user
from transom.identity.clouds import names_user
from transom.identity.directory import AccessKey, Accounts, AccountsError, Directory, Project, Role, User
from transom.identity.passwords import hash_password, make_password, require_length
from transom.identity.served import find_url

_Result = TypeVar("_Result")
_ROLE = click.Choice([str(role) for role in Role])
_PASSWORD_STDIN = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; without this option one is made.",
)
_COLUMNS = ("user", "project", "roles", "user_id", "project_id")


@click.group()
@click.pass_obj
def accounts(settings: Settings) -> None:
    """Users, projects, roles and keys of the built-in identity."""
    if settings.identity != "builtin":
        raise click.ClickException(f"identity is {settings.identity}: it has the accounts, not this service")
    require_folder(settings)


accounts.add_command(keys)


@accounts.command("add")
@click.argument("name")
@click.option("--project", help="The user's project, created if it does not exist. Default: the user's name.")
@click.option("--role", "roles", multiple=True, type=_ROLE, help="Role in it, repeatable. Default: member.")
@_PASSWORD_STDIN
@click.pass_obj
def add_account(
    settings: Settings, name: str, project: str | None, roles: tuple[str, ...], password_stdin: bool
) -> None:
    """Make the user NAME with a role in a project, and an access key for signed requests."""
    password = _read_password(settings) if password_stdin else make_password()
    granted = [Role(role) for role in roles or (Role.MEMBER,)]
    new = new_project(project or name)
    user = _checked(lambda: new_user(name, password))
    made: dict[str, AccessKey] = {}

    def change(before: Accounts) -> Accounts:
        after, owner = _with_project(before, new)
        made["key"] = new_access_key(user.id, owner.id)
        after = changes.add_user(after, msgspec.structs.replace(user, default_project_id=owner.id))
        after = changes.grant_roles(after, user.id, owner.id, granted)
        return changes.add_access_key(after, made["key"])

    directory = _change(settings, change)
    _print_account(settings, directory, user, made["key"], None if password_stdin else password)


@accounts.command("list")
@output_option
@click.pass_obj
def list_accounts(settings: Settings, output: str) -> None:
    """Show every user with its projects and roles."""
    directory = _checked(AccountsFile(settings.data_path).read)
    rows = [row for user in directory.users.values() for row in _describe(directory, user)]
    print_rows(_COLUMNS, rows, output)


@accounts.command("passwd")
@click.argument("name")
@_PASSWORD_STDIN
@click.option("--end-keys", is_flag=True, help="Remove its access keys and application credentials, too.")
@click.pass_obj
def set_password(settings: Settings, name: str, password_stdin: bool, end_keys: bool) -> None:
    """Give the user NAME another password. All its tokens end; its keys stay good without --end-keys."""
    password = _read_password(settings) if password_stdin else make_password()
    new_hash = hash_password(password)
    secrets = ""

    def change(before: Accounts) -> Accounts:
        nonlocal secrets
        user = Directory(before).get_user(name)
        secrets = _count_secrets(before, user)
        if end_keys:
            before = changes.remove_secrets(before, user.id)
        return changes.set_password(before, user.id, new_hash)

    _change(settings, change)
    click.echo(f"The password of {name} was changed, and its tokens have ended.")
    if end_keys:
        click.echo(f"Removed: {secrets}.")
    else:
        click.echo(f"Still good: {secrets}. `--end-keys` removes them, too.")
    if not password_stdin:
        click.echo(f"password: {password}")
    if names_user(settings.data_path, name):
        click.echo(f"{settings.data_path / 'clouds.yaml'} still has the old one: replace it there.")


def _count_secrets(found: Accounts, user: User) -> str:
    keys = sum(key.user_id == user.id for key in found.access_keys)
    credentials = sum(credential.user_id == user.id for credential in found.application_credentials)
    return f"access keys: {keys}, application credentials: {credentials}"


@accounts.command("grant")
@click.argument("name")
@click.option("--project", required=True, help="Name of a project that exists.")
@click.option("--role", "roles", multiple=True, required=True, type=_ROLE, help="Role in it, repeatable.")
@click.option("--revoke", is_flag=True, help="Take the roles away instead.")
@click.pass_obj
def grant_roles(settings: Settings, name: str, project: str, roles: tuple[str, ...], revoke: bool) -> None:
    """Give the user NAME roles in a project, beside those it has."""
    named = [Role(role) for role in roles]

    def change(before: Accounts) -> Accounts:
        directory = Directory(before)
        user, owner = directory.get_user(name), directory.get_project(project)
        if revoke:
            return changes.revoke_roles(before, user.id, owner.id, named)
        return changes.grant_roles(before, user.id, owner.id, named)

    _change(settings, change)
    did = "no longer has" if revoke else "has"
    click.echo(f"{name} {did} {', '.join(named)} in {project}.")


@accounts.command("remove")
@click.argument("name")
@click.pass_obj
def remove_account(settings: Settings, name: str) -> None:
    """Remove the user NAME and its keys; its tokens end. Projects and their images stay."""
    _change(settings, lambda before: changes.remove_user(before, Directory(before).get_user(name).id))
    click.echo(f"The user {name} was removed.")


def _change(settings: Settings, change: Callable[[Accounts], Accounts]) -> Directory:
    return _checked(lambda: AccountsFile(settings.data_path).change(change))


def _checked(act: Callable[[], _Result]) -> _Result:
    """The result; what went wrong becomes a line for people and exit status 1."""
    with report_failures(AccountsError):
        return act()


def _read_password(settings: Settings) -> str:
    """The first line of standard input, without its end."""
    line = sys.stdin.buffer.readline()
    try:
        password = line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        raise click.ClickException("The password on standard input is not UTF-8.") from None
    if not password:
        raise click.ClickException("There was no password on standard input.")
    _checked(lambda: require_length("The password", password, settings.password_min_length))
    return password


def _with_project(before: Accounts, new: Project) -> tuple[Accounts, Project]:
    """The project of that name, added if there is none."""
    existing = next((p for p in before.projects if (p.domain_id, p.name) == (new.domain_id, new.name)), None)
    return (before, existing) if existing else (changes.add_project(before, new), new)


def _describe(directory: Directory, user: User) -> list[dict[str, Any]]:
    """One row for each project the user has a role in; one without a project if there is none."""
    nowhere: dict[str, Any] = {
        "user": user.name,
        "project": None,
        "roles": [],
        "user_id": user.id,
        "project_id": None,
    }
    grants = [grant for grant in directory.accounts.grants if grant.user_id == user.id]
    return [
        nowhere
        | {
            "project": directory.projects[grant.project_id].name,
            "roles": grant.roles,
            "project_id": grant.project_id,
        }
        for grant in grants
    ] or [nowhere]


def _print_account(
    settings: Settings, directory: Directory, user: User, key: AccessKey, password: str | None
) -> None:
    project = directory.projects[key.project_id]
    click.echo(f"user:         {user.name} ({user.id})")
    click.echo(f"project:      {project.name} ({project.id})")
    click.echo(f"roles:        {', '.join(directory.list_roles(user.id, project.id))}")
    click.echo(f"access key:   {key.access}")
    click.echo(f"secret key:   {key.secret}")
    if password is not None:
        click.echo(f"password:     {password}")
    click.echo("The secrets are shown this once. For the openstack client:")
    url = find_url(settings.data_path) or settings.advertised_url
    click.echo(f"  export OS_AUTH_URL={url}/identity/v3 OS_USERNAME={user.name} OS_PASSWORD=...")
    click.echo(f"  export OS_PROJECT_ID={project.id} OS_USER_DOMAIN_NAME=Default OS_IDENTITY_API_VERSION=3")
