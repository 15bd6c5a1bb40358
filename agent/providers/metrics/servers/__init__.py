"""Metric servers: one module for each `spec.provider.type` that is asked."""
