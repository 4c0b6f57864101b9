"""How an error looks on the paths under /identity: Keystone's form, for whatever stopped the request."""

from http import HTTPStatus

from transom.api.http import Response, json_response


def render_error(status: int, message: str) -> Response:
    return json_response(
        {"error": {"code": int(status), "title": HTTPStatus(status).phrase, "message": message}}, status
    )
