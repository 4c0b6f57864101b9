"""Families: versions of an image, of which one is current, and members who get that one."""
