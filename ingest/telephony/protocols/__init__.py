"""What families of providers share; a provider's own module names its family."""
