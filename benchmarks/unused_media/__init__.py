"""The product's files as django-unused-media finds them: a model with a file field over the same table."""
