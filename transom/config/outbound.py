"""What the settings say of URLs that the service fetches, and sends events to, for its users."""

from ipaddress import ip_network

from transom.config.settings import Settings, listed
from transom.domain.outbound import FetchLimits, HookRules, OutboundRules, normalize_host


def fetch_rules(settings: Settings) -> OutboundRules:
    """Raises ValueError for a port or a network that is none."""
    return OutboundRules(
        allowed_schemes=frozenset(listed(settings.allowed_schemes)),
        disallowed_schemes=frozenset(listed(settings.disallowed_schemes)),
        allowed_hosts=_hosts(settings.allowed_hosts),
        disallowed_hosts=_hosts(settings.disallowed_hosts),
        allowed_ports=frozenset(map(int, listed(settings.allowed_ports))),
        disallowed_ports=frozenset(map(int, listed(settings.disallowed_ports))),
        allowed_networks=frozenset(map(ip_network, listed(settings.allowed_networks))),
        disallowed_networks=frozenset(map(ip_network, listed(settings.disallowed_networks))),
    )


def hook_rules(settings: Settings) -> HookRules:
    """Raises ValueError as `fetch_rules` does."""
    return HookRules(
        schemes=frozenset(listed(settings.hook_schemes)),
        hosts=_hosts(settings.hook_hosts),
        is_open=settings.hook_public_hosts,
        ports=frozenset(map(int, listed(settings.hook_ports))),
        disallowed_networks=frozenset(map(ip_network, listed(settings.disallowed_networks))),
    )


def fetch_limits(settings: Settings) -> FetchLimits:
    return FetchLimits(
        least_bytes_s=settings.fetch_least_bytes_s,
        window_s=settings.fetch_window_s,
        total_s=settings.fetch_timeout_s,
    )


def _hosts(text: str) -> frozenset[str]:
    """In the spelling that URLs are brought to; one that is no host is never met."""
    return frozenset(normalize_host(host) or host for host in listed(text))
