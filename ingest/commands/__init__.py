"""The command line: what an administrator types, with help and examples.

Modules here import only what describes commands; each function imports what it needs to run, so
that `keepline --help` and the small tools answer at once.
"""
