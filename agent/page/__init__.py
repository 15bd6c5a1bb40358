"""The page: what all canaries do, live, in a browser. It reads the agent's caches and changes nothing."""
