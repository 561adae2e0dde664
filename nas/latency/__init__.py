"""Latency in searches and commands: where it is measured, models of it, what they say."""
