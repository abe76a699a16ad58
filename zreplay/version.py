"""The version: nowhere else is it written. The build reads it here, and so does what writes it to a file."""

__version__ = "0.1.0"
