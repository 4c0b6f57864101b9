"""Verbs for users: they work over HTTP, with an account of clouds.yaml, and know nothing of the server.

`transom/client/` does the work; here it is asked for, shown, and what went wrong becomes an exit status.
"""
