"""A client of the service's HTTP API, for the verbs of the command line and for other programs.

It knows the service from outside only and imports nothing of it, so it can be installed without what the
service needs: `requirements/client.lock`. `clouds.py` finds account and service, `service.py` makes requests;
the other modules are a module for each kind of thing.

This module imports none of them: commands are declared by `kinds.py`, also where packages that the others
need are not installed.
"""
