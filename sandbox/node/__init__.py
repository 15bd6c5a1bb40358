"""The kubelet stand-in: runs the pods of one node as plain processes in namespaces, with no container engine."""
