"""Configurations: composition, validation, parsing."""
