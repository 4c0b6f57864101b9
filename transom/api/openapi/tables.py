"""What is said of every call, by API. A new API adds its table here."""

from transom.api.openapi.identity import IDENTITY
from transom.api.openapi.ims import IMS
from transom.api.openapi.metadefs import METADEFS
from transom.api.openapi.model import Table
from transom.api.openapi.operating import OPERATING
from transom.api.openapi.service import SERVICE
from transom.api.openapi.share import SHARE
from transom.api.openapi.v2 import V2

#: Of `routes.ROUTES`.
TABLES: tuple[Table, ...] = (SERVICE, V2, OPERATING, METADEFS, IDENTITY, SHARE)
#: Of `routes.IMS_ROUTES`.
IMS_TABLE = IMS
