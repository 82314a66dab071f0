"""What each provider tells of an invented call: by webhooks while it goes on, later by its history.

Written from the providers' documents, as our readers are, and sharing no code with those.
"""
