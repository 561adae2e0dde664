"""What can be searched: decisions, architectures, blocks, operators, one file a family."""
