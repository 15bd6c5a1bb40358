"""Routing: how a canary's weights reach the gateway."""
