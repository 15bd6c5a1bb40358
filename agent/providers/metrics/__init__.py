"""Metric providers: a query in, a sample out."""
