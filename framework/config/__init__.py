"""Configurations: composed, validated, parsed."""
