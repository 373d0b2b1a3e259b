"""The base of every other package: arrays, random streams, threads, contexts, options, errors."""
