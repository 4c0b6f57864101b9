"""The built-in identity: its file, its tokens, its decisions, and the Keystone API over it."""
