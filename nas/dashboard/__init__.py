"""The dashboard: runs and their networks as pages of a local server, or as one file."""
