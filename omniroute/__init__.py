"""OmniRoute: a declarative AI gateway."""
