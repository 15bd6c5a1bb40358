"""What every program of Serin has: logs, version, signals and graceful stop, and the endpoint of probes and scrapes."""
