"""Thousands of replays: a grid's cells, replayed here or on a cluster, each kept by what it is."""
