"""Training of one network: the recipe, the loop, and a trial as a job for any process."""
