"""The development cluster: kept as a package so that dev/cluster itself stays a few lines."""
