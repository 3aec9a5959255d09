"""The product's six requests as a Django team would first write them: the peer of `make bench`.

ModelViewSet, the default middleware, django.contrib.sessions, a FileField and django-auditlog
with its middleware. It has the same fields in its answers, the same database options and the
same web server. It has no limits.
"""
