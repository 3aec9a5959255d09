"""A model with a file field, as django-unused-media wants one, over the product's own table."""
