"""Runs in Keystone's environment: what oslo.middleware's CORS answers to requests.

Reads `{"settings": …, "requests": [[method, headers], …]}` from stdin, and writes the headers of each answer.
"""

import json
import sys

from oslo_config import cfg
from oslo_middleware import cors
from webob import Request, Response, dec


def answer(_request: Request) -> Response:
    return Response(status=200, body=b"")


given = json.load(sys.stdin)
conf = cfg.ConfigOpts()
conf([], project="oracle", default_config_files=[])
conf.register_opts(cors.OPTS, "cors")
for name, value in given["settings"].items():
    conf.set_override(name, value, "cors")
application = cors.CORS(dec.wsgify(answer), conf)
found = []
for method, headers in given["requests"]:
    response = Request.blank("/v2/images", method=method, headers=headers).get_response(application)
    found.append({name.lower(): value for name, value in response.headers.items()})
json.dump(found, sys.stdout)
