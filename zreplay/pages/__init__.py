"""Real pages: what is in files and core dumps, cut as a kernel cuts memory, and the sizes compressors make of it."""
