"""The command line: what an administrator types, with help and examples."""
