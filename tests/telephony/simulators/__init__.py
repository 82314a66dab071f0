"""Histories as providers serve them, on loopback: authentication, paging, limits and errors.

Written from the providers' documents and not with our own code, so that a mistake shows.
"""
