"""`transom openapi`: the document that a service answers at `/openapi.json`."""

import click


@click.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of all calls, as JSON."""
    import msgspec

    from transom.api.routes import openapi_document

    click.echo(msgspec.json.format(openapi_document(has_identity=True), indent=1))
