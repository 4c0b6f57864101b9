"""Reports of failed logins: a line of the log, and a count."""

import logging

from transom.api.http import Request
from transom.api.services import Services
from transom.domain.errors import UnauthenticatedError, UnavailableError

_log = logging.getLogger(__name__)

#: Of a name that is logged: nobody has a longer one.
_LONGEST_NAME = 255


def report_refusal(
    services: Services, request: Request, account: str | None, error: UnauthenticatedError | UnavailableError
) -> None:
    """`account`: as the client names it, be there such an account or not."""
    outcome = "refused" if isinstance(error, UnauthenticatedError) else "not checked"
    services.count_login(outcome)
    fields = {
        "account": (account or "-")[:_LONGEST_NAME],
        "client": request.client_address,
        "request_id": request.request_id,
    }
    _log.warning("login %s", outcome, extra={"fields": fields})
