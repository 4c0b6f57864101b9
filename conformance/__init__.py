"""The conformance run: Tempest and glance-tempest-plugin, unmodified, against Transom behind a real Keystone.

Start reading at `__main__`; `stand` is what is tested, `tempest` how, `verdict` what is made of the results.
Nothing of it is part of the service, and it knows the service from outside only.
"""
