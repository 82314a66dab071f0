"""The real service under load, a journal of what it accepted, and who compares the two."""
