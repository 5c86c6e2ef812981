"""Settings of libraries that Ballast does not use."""
