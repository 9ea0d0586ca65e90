"""The version, read by everything that writes it down."""

__version__ = "0.1.0"
