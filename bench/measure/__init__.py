"""The parts of bench/run: each module is one step on the way from a build to the table."""
