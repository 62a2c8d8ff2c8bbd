"""Notifications: what happened to a project, told to webhooks, to mailboxes and in a feed."""
