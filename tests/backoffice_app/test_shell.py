"""The frame of the console: a navigation by job that shows only what a person may open."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.backoffice_app.pages import inline_code
from tests.helpers import started

PLACES = {
    "Dashboard", "Sessions", "Files", "Audit log", "Cleanup runs", "Trash", "Schedules",
    "Failed tasks", "Service keys", "Accounts", "Groups",
}  # fmt: skip


def places(client: Client, page: str = "/admin/") -> dict[str, str]:
    """Return the titles and addresses of the navigation."""
    html = client.get(page).content.decode()
    navigation = html[html.index("<nav ") : html.index("</nav>")]
    links = re.findall(r'class="nav-link" href="([^"]+)"[^>]*>.*?</svg>([^<]+)', navigation)
    return {title.strip(): address for address, title in links}


@pytest.mark.parametrize("group", ["Support", "Auditor", "Operator", ""])
def test_the_navigation_shows_exactly_what_a_group_may_open(make_staff: Any, group: str) -> None:
    client = make_staff(group) if group else make_staff()
    everything = places(_superuser())
    assert set(everything) == PLACES
    shown = places(client)
    assert shown.items() <= everything.items()
    for title, address in everything.items():
        is_allowed = client.get(address).status_code == 200
        assert is_allowed == (title in shown), title


@pytest.mark.django_db
def test_the_current_place_is_marked_on_its_pages() -> None:
    client, session = _superuser(), started().uuid
    for page in ("", f"{session}/change/"):
        html = client.get(f"/admin/sessions_app/usersession/{page}").content.decode()
        marked = re.findall(r'href="([^"]+)" aria-current="page"', html)
        assert marked == ["/admin/sessions_app/usersession/"]
        assert inline_code(html) == []


@pytest.mark.django_db
def test_a_list_is_named_by_what_it_contains_and_its_cells_by_their_columns() -> None:
    started()
    html = _superuser().get("/admin/sessions_app/usersession/").content.decode()
    assert "<h1>Sessions</h1>" in html
    assert "<title>Sessions | Maria</title>" in html
    assert re.search(
        r'<th class="field-code" data-label="Support code"><a[^>]*>MAR-[^<]+</a> <button', html
    )
    assert re.search(
        r'<td class="field-status" data-label="Status"><span class="badge badge-ok">', html
    )
    assert re.search(
        r'<td class="field-created_at" data-label="Created"><time class="ago" [^>]*title=', html
    )


@pytest.mark.django_db
def test_a_form_of_another_sign_in_is_refused_with_advice() -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a"})
    assert answer.status_code == 403
    html = answer.content.decode()
    assert "<h1>This form is no longer valid</h1>" in html
    assert inline_code(html) == []


def _superuser() -> Client:
    client = Client()
    user, _ = User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


def test_an_unknown_address_of_the_admin_leads_to_the_dashboard(support: Client) -> None:
    for address, has_link in (("/admin/nothing/", True), ("/nothing/", False)):
        page = support.get(address)
        assert page.status_code == 404
        html = page.content.decode()
        assert "The page may have been removed." in html
        assert ('href="/admin/"' in html) == has_link
