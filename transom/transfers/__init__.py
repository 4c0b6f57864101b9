"""What fills or copies an image in the background: imports, added locations, copies within the region."""
