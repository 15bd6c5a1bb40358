"""What `/metrics` of the agent has: the series of canaries, rendered from what is stored, and the agent's own."""
