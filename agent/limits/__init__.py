"""What bounds the load that the canaries of a cluster make together."""
