"""The registry: names to components, and the plugins that provide them."""
