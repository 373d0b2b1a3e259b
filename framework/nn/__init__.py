"""Networks: nodes in order, forward and backward; heads, which compare outputs with targets."""
