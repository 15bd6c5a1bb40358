"""Asking services on the network that users name: which addresses may be asked, and how much of an answer is read."""
