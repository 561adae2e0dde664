"""Early exits at work: only the stages that an image needs are run."""
