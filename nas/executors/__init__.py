"""Where trials run: in the driver, or on Ray actors, behind one protocol."""
