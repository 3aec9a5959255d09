"""Compiled statements make rows without the model, so they refuse a model that has a part in it."""

from typing import Any

import pytest
from django.db.models.signals import post_init

from common.statements import CompiledInsert, CompiledSelect
from uploads_app.models import StoreState


def test_a_model_that_makes_its_rows_otherwise_is_refused(db: None) -> None:
    def note(**_: Any) -> None:
        """Do nothing."""

    post_init.connect(note, sender=StoreState)
    try:
        with pytest.raises(TypeError, match="StoreState is made in a way of its own"):
            CompiledInsert(StoreState).new()
        with pytest.raises(TypeError, match="StoreState is made in a way of its own"):
            CompiledSelect(StoreState.objects.all).read()
    finally:
        post_init.disconnect(note, sender=StoreState)
    assert CompiledSelect(StoreState.objects.all).read() == []
