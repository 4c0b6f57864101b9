"""Image data between clients, stores and the cache: uploads, reads, checks on the way, recovery."""
