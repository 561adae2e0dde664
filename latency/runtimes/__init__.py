"""What runs a network on a device: each runtime prepares a piece of work and times its parts."""
