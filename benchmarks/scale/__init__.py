"""What Serin costs with hundreds of canaries whose images change at once, on a real control plane with hollow pods."""
