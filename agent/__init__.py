"""The agent: one asyncio loop that observes, decides and applies for all canaries at once."""
