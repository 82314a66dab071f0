"""Telephone systems: edges that listen and ask, readers that say what was heard."""
