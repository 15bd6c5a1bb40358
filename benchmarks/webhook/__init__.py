"""What the admission webhook costs: an apply through the real API server, the server alone, and its memory."""
