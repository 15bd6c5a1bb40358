"""A small certificate authority: certificates, how they are stored, and when they are replaced. No I/O, no clock."""
