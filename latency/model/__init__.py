"""A latency model: what blocks take, how they add up on a device, and how far that is off."""
