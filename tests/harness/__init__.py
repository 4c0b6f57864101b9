"""What tests need around a real service: the server process and a real PostgreSQL."""
