"""The best configuration for a trace: candidates, what is known of them, the search, and what it found."""
