"""Deciding: (canary, state, observation) -> decision, one function a phase, nothing but values."""
