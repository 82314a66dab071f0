"""Keepline: calls and mails of a sales company, kept for the company.

    wire -> keep (durable, then answer) -> read -> fold -> match -> decide -> record, flag

1. An edge (`telephony.server`, `mail.follower`) checks who speaks and keeps the raw bytes.
2. A reader (`telephony.providers`, `mail.message`) turns bytes into call reports or a mail.
3. `telephony.calls.fold` makes one call of all its reports, in whatever order they came.
4. `matching.match` finds our own side, then the client the other side belongs to.
5. `matching.decide` gives each touch its status, closes earlier ones and raises flags.
6. `worker` records a batch and its position in the log in one transaction.

The story itself stands in `ingest/pipeline.py`.
"""
