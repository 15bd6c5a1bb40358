"""Config tracking: how the agent knows what targets are configured by, and by which rights."""
