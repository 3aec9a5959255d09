"""A model with a file field, as django-unused-media requires it, over the product's own table."""
