"""Doors to neighbours: one file each."""
