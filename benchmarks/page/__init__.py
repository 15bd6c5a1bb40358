"""The agent's page in a real Chromium: how fast it is, and what it takes of memory."""
