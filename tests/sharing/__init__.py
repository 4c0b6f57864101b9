"""Tests of the room of sharing."""
