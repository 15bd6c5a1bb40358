"""Canary, MetricTemplate and AlertProvider as users write them: Flagger's v1beta1 API and a few optional fields."""
