"""What the ledger asks of its tables again and again: each made once (SQLAlchemy).

``sought`` stands for the values that are looked for, ``org`` for the org.
"""

from __future__ import annotations

import sqlalchemy as sa

from target_kustomer.ledger.tables import identities, objects, readings

_sought: sa.BindParameter[str] = sa.bindparam("sought", expanding=True)
_org: sa.BindParameter[str] = sa.bindparam("org")

_same_object = (identities.c.org == objects.c.org) & (
    identities.c.kustomer_id == objects.c.kustomer_id
)
_is_current = identities.c.revision == objects.c.revision

UNCHANGED = (
    sa.select(identities.c.record, identities.c.kustomer_id)
    .join(objects, _same_object & _is_current)
    .where(
        objects.c.writer.is_(None),
        sa.func.coalesce(objects.c.checked_at, objects.c.confirmed_at) >= sa.bindparam("since"),
        identities.c.record.in_(_sought),
    )
)
"""Records that Kustomer holds as they are, checked since ``since`` (UTC seconds since 1970)."""

CURRENT = (
    sa.select(identities.c.identity, identities.c.kustomer_id, _is_current.label("current"))
    .join(objects, _same_object)
    .where(identities.c.identity.in_(_sought))
)
"""Whom identities mean, and whether nothing was written to it since."""

MEANT = sa.select(identities.c.identity, identities.c.kustomer_id).where(
    identities.c.identity.in_(_sought)
)
"""Whom identities have meant last."""

_of_objects = (objects.c.org == _org, objects.c.kustomer_id.in_(_sought))

OBJECTS = sa.select(objects).where(*_of_objects)
LOCKED_OBJECTS = OBJECTS.order_by(objects.c.kustomer_id).with_for_update()
"""In one order, so that no two runs wait for each other."""

DELETE_OBJECTS = sa.delete(objects).where(*_of_objects)
DELETE_IDENTITIES = sa.delete(identities).where(identities.c.identity.in_(_sought))

TAKE_OVER = sa.delete(identities).where(
    identities.c.identity.in_(_sought),
    identities.c.kustomer_id.not_in(sa.bindparam("by", expanding=True)),
)
"""Identities that mean others than these objects."""

READ_UNTIL = sa.select(readings.c.read_until).where(
    readings.c.org == _org, readings.c.object_type.in_(_sought)
)
