"""What stands between a client and the API: hosts, proxies, browsers, odd connections."""
