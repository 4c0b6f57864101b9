"""Numbers that several verbs take."""

import click

#: How many of something: as many as any list of the service, or any file, ever has.
COUNT = click.IntRange(1, 2**31 - 1)
