"""Access to the cluster for the verbs that need one: kubectl's kubeconfig, flags, and what can go wrong in one line."""
