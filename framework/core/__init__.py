"""What every other package stands on: arrays, random streams, threads, contexts, options, errors."""
