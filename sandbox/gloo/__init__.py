"""What Gloo's control plane does for Envoy, as far as a canary needs it, held to recordings of the real one."""
