"""The compiled tier on a GPU: the graph of a traced step as CUDA C."""
