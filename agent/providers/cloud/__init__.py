"""Identities at clouds: how a request shows who asks, and where the agent's own identity comes from."""
