"""Swap indexes, pools and reclaim orders of your own. docs/plugins.md goes through it from the beginning."""
