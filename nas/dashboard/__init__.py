"""The results page: what a search does while it runs, and what came of it; nothing is written."""
