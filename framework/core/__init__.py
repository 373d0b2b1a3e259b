"""What every other package builds on: arrays, random streams, threads, contexts, options, errors."""
