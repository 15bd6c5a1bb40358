"""Several leaders at once: each leads the canaries of some namespaces, a shard, and has a Lease for it."""
