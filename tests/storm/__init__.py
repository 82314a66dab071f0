"""A storm: thousands of invented calls of six providers, told in every wrong way and made good.

The calls are told twice, once as if nothing ever went wrong and once through a storm, and what is
recorded of both is compared. `python -m tests.storm --calls 10000` is the long one.
"""
