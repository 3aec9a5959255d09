"""A visitor's session: creation, persistence and messages.

Nothing but the API's own 401 ends it: not a reload, a lost localStorage, a server that is
away, slow or broken, nor an answer that is not the API's.
"""

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.site import Site
from tests.browser.visit import API, CURRENT, Visit, answered, hold_request, problem

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("demo")]

AWAY = "The server cannot be reached. Is this device online? Nothing is lost. Trying again…"
UNREADABLE = "The server cannot be reached properly just now. Nothing is lost."
DAY = 24 * 3600 * 1000
PAGE = "<!doctype html><title>Sign in to the hotel's network</title>"

LATER = problem(429, "rate_limited", **{"Retry-After": "30"})
# What may come instead of the session, and what the page says then.
FAULTS = {
    "a_proxy's_page": ({"status": 200, "content_type": "text/html", "body": PAGE}, UNREADABLE),
    "a_proxy's_401": ({"status": 401, "content_type": "text/html", "body": PAGE}, UNREADABLE),
    "cut_json": (
        {"status": 200, "content_type": "application/json", "body": '{"uuid": "0b1c'},
        UNREADABLE,
    ),
    "nothing": ({"status": 200, "body": ""}, UNREADABLE),
    "500": (
        problem(500, "internal_error"),
        "Something went wrong (internal_error). Nothing is lost.",
    ),
    "502": ({"status": 502, "body": "Bad Gateway"}, UNREADABLE),
    "503": (problem(503, "database_unavailable"), "This does not work at the moment."),
}


def test_nothing_is_requested_before_the_first_interaction(visit: Visit, site: Site) -> None:
    before = site.sessions()
    visit.open()
    visit.page.wait_for_load_state("networkidle")

    visit.expect_status("idle")
    assert visit.calls == []
    assert visit.remembered() is None
    assert site.sessions() == before

    visit.page.keyboard.press("Tab")

    visit.expect_known()
    assert site.sessions() == [*before, visit.uuid]
    assert site.events(visit.uuid) == ["session.created"]
    assert visit.calls[:2] == ["POST sessions/", "GET sessions/current/"]
    assert visit.calls.count("POST sessions/") == 1
    assert visit.remembered() == visit.uuid


def test_a_page_can_create_the_session_at_once(visit: Visit, site: Site) -> None:
    visit.open("?start=load")

    visit.expect_known()
    assert site.events(visit.uuid) == ["session.created"]


def test_a_reload_keeps_session_and_conversation(visit: Visit, site: Site) -> None:
    visit.open()
    uuid = visit.begin()
    before = site.events()

    visit.reload()

    assert visit.uuid == uuid
    visit.expect_known()
    expect(visit.page.get_by_role("log")).to_contain_text("You: Good morning")
    assert visit.uuid == uuid
    assert site.events() == before


def test_after_a_reload_the_uuid_is_there_while_the_network_never_answers(
    visit: Visit,
) -> None:
    visit.open()
    uuid = visit.begin()
    visit.page.route(API, hold_request)
    visit.page.clock.install()

    with visit.page.expect_request(CURRENT):
        visit.reload()

    assert visit.uuid == uuid
    visit.expect_status("ready")
    assert visit.fact("Ends").count() == 0

    visit.page.clock.run_for(16_000)

    expect(visit.status).to_contain_text("The server does not answer just now. Nothing is lost.")
    assert visit.uuid == visit.remembered() == uuid
    visit.page.unroute_all(behavior="ignoreErrors")
    # In steps: in one leap a request would reach its own timeout before a real answer can arrive.
    for _ in range(12):
        visit.page.clock.run_for(5_000)
        visit.page.wait_for_timeout(100)
    visit.expect_known()
    assert visit.uuid == uuid


def test_a_lost_local_storage_is_restored(visit: Visit, site: Site) -> None:
    visit.open()
    uuid = visit.begin()
    before = site.events()
    visit.page.evaluate("localStorage.clear()")

    visit.reload()
    visit.expect_status("idle")
    visit.page.keyboard.press("Tab")

    visit.expect_known()
    assert visit.uuid == visit.remembered() == uuid
    assert site.events() == before


def test_a_transient_error_keeps_the_session(visit: Visit, site: Site) -> None:
    visit.open()
    uuid = visit.begin()
    before = site.events()
    for fault, (answer, said) in FAULTS.items():
        visit.page.route(CURRENT, answered(**answer))

        visit.reload()

        expect(visit.status, fault).to_contain_text(said)
        visit.expect_status("offline")
        assert visit.uuid == visit.remembered() == uuid, fault
        expect(visit.alert, fault).to_be_hidden()

        visit.page.unroute(CURRENT)

        visit.expect_known()
        expect(visit.status, fault).to_have_text("")
        assert visit.uuid == uuid, fault
    assert site.events() == before


def test_a_page_waits_as_long_as_the_server_says(visit: Visit) -> None:
    visit.open()
    uuid = visit.begin()
    visit.page.route(CURRENT, answered(**LATER))
    visit.page.clock.install()
    visit.reload()
    expect(visit.status).to_contain_text("Too many requests. Wait a moment. Nothing is lost.")
    visit.page.unroute(CURRENT)
    requested = visit.calls.count("GET sessions/current/")

    visit.page.clock.run_for(25_000)
    assert visit.calls.count("GET sessions/current/") == requested
    visit.expect_status("offline")
    assert visit.uuid == visit.remembered() == uuid

    visit.page.clock.run_for(25_000)
    visit.expect_known()
    assert visit.uuid == uuid


def test_a_visitor_can_retry_before_the_wait_ends(visit: Visit) -> None:
    visit.open()
    uuid = visit.begin()
    visit.page.route(CURRENT, answered(**LATER))
    visit.reload()
    visit.expect_status("offline")
    visit.page.unroute(CURRENT)

    visit.button("Try again").click()

    visit.expect_known()
    expect(visit.status).to_have_text("")
    assert visit.uuid == uuid


def test_a_session_survives_a_server_restart(visit: Visit, site: Site) -> None:
    visit.open()
    uuid = visit.begin()
    before = site.events()
    site.stop()

    visit.button("Ask the server now").click()

    expect(visit.status).to_contain_text(AWAY)
    assert visit.uuid == visit.remembered() == uuid
    visit.say("Are you there?")
    said = visit.page.get_by_role("alert")
    expect(said).to_have_text("Not sent. The server cannot be reached. Is this device online?")
    expect(visit.page.get_by_role("textbox", name="Message")).to_have_value("Are you there?")

    site.start()
    visit.button("Ask the server now").click()

    visit.expect_known()
    expect(visit.status).to_have_text("")
    visit.say("And now?")
    expect(visit.page.get_by_role("log")).to_contain_text("You: And now?")
    assert visit.uuid == uuid
    assert site.events() == before


def test_a_device_that_is_online_again_retries(visit: Visit, context: BrowserContext) -> None:
    visit.open()
    uuid = visit.begin()
    context.set_offline(True)
    visit.button("Ask the server now").click()
    expect(visit.status).to_contain_text(AWAY)

    context.set_offline(False)

    visit.expect_known()
    expect(visit.status).to_have_text("")
    assert visit.uuid == uuid


def test_a_session_is_created_when_the_network_is_back(
    visit: Visit, context: BrowserContext, site: Site
) -> None:
    visit.open()
    before = site.sessions()
    context.set_offline(True)

    visit.say("Good morning")

    expect(visit.status).to_contain_text(AWAY)
    assert visit.uuid == "none"
    expect(visit.page.get_by_role("textbox", name="Message")).to_have_value("Good morning")
    assert site.sessions() == before

    context.set_offline(False)

    visit.expect_known()
    assert site.sessions() == [*before, visit.uuid]


def test_an_expiring_session_has_a_warning_and_can_be_extended(visit: Visit) -> None:
    visit.page.clock.install()
    visit.open()
    visit.page.keyboard.press("Tab")
    visit.expect_known()
    uuid = visit.uuid

    visit.page.clock.fast_forward(DAY - 4 * 60_000)

    visit.expect_status("expiring")
    expect(visit.status).to_contain_text("Your session ends at")
    assert visit.uuid == uuid

    visit.button("Keep my session").click()

    visit.expect_known()
    expect(visit.status).to_have_text("")
    assert visit.uuid == uuid
