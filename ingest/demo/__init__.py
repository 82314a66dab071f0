"""The demo: an invented company whose telephone systems and mailboxes talk to the real service.

Nothing in the product knows of it. It posts to the public door as providers do, puts mails into an
IMAP server, and looks at what came of it as a supervisor would.
"""
