"""Images: create, find, change and remove them, whichever API asks."""
