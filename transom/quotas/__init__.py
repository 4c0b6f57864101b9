"""What a project may have, and what it has: images, bytes, uploads in progress."""
