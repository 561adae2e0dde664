<<<<<<< HEAD
"""The results page: what a search does while it runs, and what came of it; nothing is written."""
=======
"""The dashboard: runs and their networks as pages of a local server, or as one file."""
>>>>>>> detail
