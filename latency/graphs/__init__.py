"""Networks as graphs in the formats of other runtimes, written straight from the built modules."""
