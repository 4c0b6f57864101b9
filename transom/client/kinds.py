"""Kinds of recipients, as the share API names them."""

#: Each → the name of its list in requests, and of its segment in paths.
KINDS = {"project": "projects", "domain": "domains", "organization": "organizations"}
