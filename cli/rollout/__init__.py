"""A canary as people look at it: values read from the objects of the cluster. Pure."""
