"""The agent's ways to the outside: the gateway, metric servers, hooks."""
