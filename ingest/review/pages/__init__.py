"""The pages of the site, by area: each a function from a visit to a response."""
