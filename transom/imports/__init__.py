"""What fills an image in the background: the methods of import, and what is done to the data on its way."""
