"""The deployment marker shows whether this store and this database belong together.

Both contain an id and a generation. Every run increases the generation first in
the database and then in the store. So the store is only ahead if the database
was restored from a backup, and only far behind if the store was set back.

Both also contain a lineage: every run replaces it by a new random value. Two
copies of one database have the same id, but soon know different lineages.
"""

from uploads_app.marker.comparison import MarkerDiffers, Stop, claim_store, compare
from uploads_app.marker.lease import LEASE, release_lease, renew_lease, take_lease
from uploads_app.marker.lineage import contest, count_up, sign
from uploads_app.marker.own_store import StoreNotOurs, is_own_store, require_own_store

__all__ = [
    "LEASE",
    "MarkerDiffers",
    "Stop",
    "StoreNotOurs",
    "claim_store",
    "compare",
    "contest",
    "count_up",
    "is_own_store",
    "release_lease",
    "renew_lease",
    "require_own_store",
    "sign",
    "take_lease",
]
