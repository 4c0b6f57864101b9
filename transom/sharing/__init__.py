"""Sharing: images offered to recipients, who answer."""
