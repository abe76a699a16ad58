"""What happened: the trace format, its files, importers and the generator."""
