"""How fast: devices, runtimes, the measuring protocol."""
