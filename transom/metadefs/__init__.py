"""Metadata definitions: who may do what with them."""
