"""Creating and changing the key of the seal."""

from contextlib import suppress

from django.db import transaction

from audit_app import events
from audit_app.models import SealHead
from audit_app.seal import keys
from audit_app.seal.heads import Head, parse
from audit_app.seal.keys import PublicKey, SigningKey
from audit_app.seal.problems import SealProblem
from audit_app.seal.sealer import seal_all
from audit_app.services import record


def create_key() -> PublicKey:
    """Create the first key; raises SealProblem `key_exists` if there has been one."""
    if keys.key_path().exists() or keys.public_keys() or _last_head():
        raise SealProblem("key_exists", "There is a key already. Use --rotate or --replace-lost.")
    return _trust(keys.create_key_file(keys.key_path()), "created")


def rotate_key() -> PublicKey:
    """Let the current key name a new one in a last head, and replace it. Can be repeated.

    A crash leaves the next key beside the current one; the next call continues with it.
    """
    following = keys.next_key_path()
    with suppress(FileExistsError):
        keys.create_key_file(following)
    key = keys.load_signing_key(following)
    last = _last_head()
    if last is None or last.next_key != key.public.hex():
        seal_all(next_key=key.public.hex())
    return _trust(key, "rotated")


def replace_lost_key() -> PublicKey:
    """Start with a new key that no older key names. Verifications warn about that place."""
    path = keys.key_path()
    with suppress(FileNotFoundError):
        path.rename(path.with_name(f"{path.name}.replaced"))
    return _trust(keys.create_key_file(path), "replaced")


def _trust(key: SigningKey, change: str) -> PublicKey:
    """Add a key to the public keys, move it to its place, and record it."""
    last = _last_head()
    number = last.number if last else 0
    trusted = [one for one in keys.public_keys() if one.id != key.id and one.since_head <= number]
    made = PublicKey(key.id, key.public.hex(), number + 1)
    with transaction.atomic():
        record(events.SEAL_KEY_CREATED, key=key.id, since_head=made.since_head, change=change)
        keys.write_public_keys([*trusted, made], keys.accepted_breaks())
        if keys.next_key_path().exists():
            keys.next_key_path().replace(keys.key_path())
    return made


def _last_head() -> Head | None:
    row = SealHead.objects.order_by("-number").first()
    try:
        return parse(row.text) if row else None
    except ValueError as error:
        raise SealProblem("chain_broken", f"Head {row and row.number} is {error}.") from error
