"""The admin that a Django project would have: plain `ModelAdmin` and django-auditlog, on the product's tables."""
