"""What would happen: a configuration, a run, its directory."""
