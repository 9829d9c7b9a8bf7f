"""Databases: how files are opened, owned and migrated. Knows no table of ours."""
