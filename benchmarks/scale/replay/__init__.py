"""The controllers of a cluster replayed from memory, and what users apply to it: cheap enough not to be measured."""
