"""What it means: runs loaded, compared, charted and reported."""
