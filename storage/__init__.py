"""Where facts and derivations are kept: the delivery logs and the main database.

Functions here take a connection and never commit; whoever opened the transaction does.
Rows become values of `ingest.domain` before they leave.
"""
