"""The answer at `/`: the versions to a client, and to a browser a page that says what this is."""

import base64
import hashlib
import html
from string import Template

from transom.api.http import Headers, Request, Response
from transom.api.services import Services
from transom.api.v2.versions import choose_version
from transom.api.versions import base_url

_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;"
    "padding:0 1rem}pre,code{white-space:pre-wrap;overflow-wrap:anywhere}"
)
_PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Transom</title>
<style>$style</style>
</head>
<body>
<h1>Transom</h1>
<p>This is an image service: it keeps disk images and shares them between projects. Programs use it
through the OpenStack Image API v2 and the IMS API.</p>
$console<p>With the <code>openstack</code> command line client and the account your operator gave you:</p>
<pre>openstack --os-auth-url $auth_url --os-username USER --os-project-name PROJECT \\
    --os-user-domain-name Default --os-project-domain-name Default image list</pre>
<ul>
<li>Image API: <a href="$base/versions">$base/v2</a></li>
<li>IMS API: <code>$base/ims</code>, for Huawei Cloud's and Open Telekom Cloud's clients</li>
<li>Log in at: <code>$auth_url</code></li>
</ul>
</body>
</html>
"""
)
_CONSOLE = Template('<p>For people there is the <a href="$base/console">console</a>.</p>\n')
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE_HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    # The page loads nothing, runs nothing and is framed by nobody.
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'".encode(),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


async def show_front(services: Services, request: Request) -> Response:
    """300 and the versions, as from Glance; a page to a browser, which is told by what it accepts."""
    if _is_browser(request.joined(b"accept")):
        response = Response(body=_render(services, request), headers=list(_PAGE_HEADERS))
    else:
        response = await choose_version(services, request)
    response.headers.append((b"vary", b"Accept"))
    return response


def _is_browser(accept: str) -> bool:
    """Browsers name HTML. A client of the APIs that does names JSON, too, which goes first here as in errors;
    most clients name nothing, or */*."""
    wanted = set()
    for part in accept.lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        if not any(word.startswith("q=") and not word[2:].strip("0.") for word in parameters):
            wanted.add(name)
    return "text/html" in wanted and "application/json" not in wanted


def _render(services: Services, request: Request) -> bytes:
    base = base_url(services, request)
    auth_url = services.cloud.auth_url or f"{base}/identity/v3"
    console = _CONSOLE.substitute(base=html.escape(base)) if services.site.has_console else ""
    page = _PAGE.substitute(
        style=_STYLE, console=console, base=html.escape(base), auth_url=html.escape(auth_url)
    )
    return page.encode()
