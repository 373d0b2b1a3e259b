"""Networks: nodes in order, forward and backward; heads, where outputs meet targets."""
