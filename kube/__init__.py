"""All access to the API server: typed errors, retries in one place, list+watch caches, events and a lease."""
