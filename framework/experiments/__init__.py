"""An experiment: settings meet their data, a network trains, and everything is recorded."""
