"""The SDK of OpenStack, logged in to a service as one of its accounts."""

from typing import Any

import openstack

from harness.service import Service


def connect(service: Service, caller: str) -> Any:
    """An openstacksdk connection, which its user closes; it reads no configuration of this machine."""
    account = service.clouds[caller]
    auth = {
        "auth_url": account.auth_url,
        "username": account.username,
        "password": account.password,
        "project_name": account.project_name,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return openstack.connect(load_yaml_config=False, load_envvars=False, auth=auth, region_name="RegionOne")
