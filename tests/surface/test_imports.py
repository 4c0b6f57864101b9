"""What the service imports to start: large packages that few need are imported where they are needed."""

import subprocess
import sys

#: Package → who needs it.
_FOR_SOME = {
    "aiohttp": "Keystone, and what is fetched from elsewhere",
    "asyncpg": "PostgreSQL",
    "cryptography": "signed images",
    "http_sf": "uploads with a digest",
    "jwt": "accounts of our own",
    "obstore": "stores of S3",
    "oslo_policy": "an operator's own rules",
    "oslo_utils": "uploads and imports, with the first of them",
    "prometheus_client": "workers, with a common folder that is there before",
}


def test_an_application_with_its_defaults_needs_no_package_that_only_some_need() -> None:
    program = "import sys, transom.assemble; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stdout.split()

    assert _FOR_SOME.keys() & set(imported) == set()
