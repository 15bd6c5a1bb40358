"""The files that people name: read as Kubernetes reads them, with the line and column of everything in them."""
