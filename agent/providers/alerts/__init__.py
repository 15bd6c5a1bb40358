"""Alerts: messages about canaries in the chats of those who answer for them."""
