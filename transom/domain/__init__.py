"""The rules, and nothing else: values in, a value or an error out. No clock, no I/O, no settings."""
