"""`transom accounts keys`: the key pairs with which a user's programs sign their requests.

To replace a key without a gap: add one, give it to the program, remove the old one.
"""

import click

from transom.cli.failures import report_failures
from transom.cli.tables import output_option, print_rows
from transom.config import Settings
from transom.domain.errors import ConflictError
from transom.identity import changes
from transom.identity.accounts import AccountsFile, new_access_key
from transom.identity.clouds import holds_access_key
from transom.identity.directory import AccessKey, Accounts, AccountsError, Directory, Project, User

_COLUMNS = ("access_key", "user", "project", "user_id", "project_id")


@click.group()
def keys() -> None:
    """Access keys, for signed requests. A change takes effect with the next request to a running service."""


@keys.command("list")
@click.argument("name", required=False)
@output_option
@click.pass_obj
def list_keys(settings: Settings, name: str | None, output: str) -> None:
    """Show the access keys of the user NAME, or of all users. Their secrets are not shown."""
    with report_failures(AccountsError):
        directory = AccountsFile(settings.data_path).read()
        owner = directory.get_user(name) if name is not None else None
    rows = [
        {
            "access_key": key.access,
            "user": directory.users[key.user_id].name,
            "project": directory.projects[key.project_id].name,
            "user_id": key.user_id,
            "project_id": key.project_id,
        }
        for key in directory.accounts.access_keys
        if owner is None or key.user_id == owner.id
    ]
    print_rows(_COLUMNS, rows, output)


@keys.command("add")
@click.argument("name")
@click.option("--project", help="Project that the key acts in by itself. Default: the user's own.")
@click.pass_obj
def add_key(settings: Settings, name: str, project: str | None) -> None:
    """Make an access key for the user NAME."""
    made: dict[str, AccessKey] = {}

    def change(before: Accounts) -> Accounts:
        directory = Directory(before)
        user = directory.get_user(name)
        made["key"] = new_access_key(user.id, _choose_project(directory, user, project).id)
        return changes.add_access_key(before, made["key"])

    with report_failures(AccountsError):
        directory = AccountsFile(settings.data_path).change(change)
    key = made["key"]
    click.echo(f"project:      {directory.projects[key.project_id].name} ({key.project_id})")
    click.echo(f"access key:   {key.access}")
    click.echo(f"secret key:   {key.secret}")
    click.echo("The secret is shown this once.")


@keys.command("remove")
@click.argument("access_key")
@click.pass_obj
def remove_key(settings: Settings, access_key: str) -> None:
    """Remove ACCESS_KEY. Requests that are signed with it are refused from now on."""
    with report_failures(AccountsError):
        AccountsFile(settings.data_path).change(lambda before: changes.remove_access_key(before, access_key))
    click.echo(f"The access key {access_key} was removed.")
    if holds_access_key(settings.data_path, access_key):
        click.echo(f"{settings.data_path / 'clouds.yaml'} still has it, as an `ak`: replace it there.")


def _choose_project(directory: Directory, user: User, name: str | None) -> Project:
    """ConflictError for a project in which the user has no role: the key could do nothing there."""
    if name is not None:
        project = directory.get_project(name)
    elif user.default_project_id is not None:
        project = directory.projects[user.default_project_id]
    else:
        raise ConflictError(f"The user {user.name!r} has no project of its own: name one with --project.")
    if not directory.list_roles(user.id, project.id):
        raise ConflictError(f"The user {user.name!r} has no role in the project {project.name!r}.")
    return project
