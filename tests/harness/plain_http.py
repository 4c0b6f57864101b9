"""HTTP of the tests: plain, past the proxies that the machine may have set.

httpx loads the world's certificates for each client that it makes, which takes as long as fifty of our calls;
these clients share a context without any.
"""

from __future__ import annotations

import functools
import ssl

import httpx

#: Trusts nobody: who speaks TLS brings a context that does.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

open_client = functools.partial(httpx.Client, trust_env=False, verify=PLAIN)
open_async_client = functools.partial(httpx.AsyncClient, trust_env=False, verify=PLAIN)
request = functools.partial(httpx.request, trust_env=False, verify=PLAIN)
get = functools.partial(httpx.get, trust_env=False, verify=PLAIN)
post = functools.partial(httpx.post, trust_env=False, verify=PLAIN)
put = functools.partial(httpx.put, trust_env=False, verify=PLAIN)
delete = functools.partial(httpx.delete, trust_env=False, verify=PLAIN)
