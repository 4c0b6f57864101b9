"""The story of a shared image, told with the clients that cloud users already have."""
