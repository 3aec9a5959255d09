"""Pages of the console that only an act or a fault leads to, for pictures."""

import base64
from collections.abc import Callable

from django_otp.oath import TOTP
from playwright.sync_api import Page

from tests.browser.back_office import BackOffice
from tests.browser.site import Site

States = dict[str, Callable[[], object]]
_NAME, _PASSWORD = "jo.smith", "correct horse battery staple"
# More than the throttle permits.
_GUESSES = 12
# The guesses of the last camera have locked its address.
_ACCOUNT = f"""
from axes.utils import reset
from django.contrib.auth.models import User
from django_otp.plugins.otp_totp.models import TOTPDevice
user, _ = User.objects.get_or_create(username={_NAME!r}, is_staff=True)
user.set_password({_PASSWORD!r})
user.save()
TOTPDevice.objects.filter(user=user).delete()
reset()
"""
_INTERNAL_ERROR = """
from django.template.loader import render_to_string
answer = render_to_string("500.html")
"""
_WRONG_TOKEN = "document.querySelector('[name=csrfmiddlewaretoken]').value = 'wrong'"


def states(back_office: BackOffice, rows: dict[str, str]) -> States:
    """Return functions that open these pages, in this order. The last ones are signed out."""
    page = back_office.page
    return {
        "second-factor-pending": lambda: _begin_second_factor(back_office),
        "recovery-codes": lambda: _confirm_second_factor(back_office),
        "second-factor-set-up": lambda: back_office.open("second-factor/"),
        "forbidden": lambda: _open_as_auditor(back_office, rows),
        "internal-error": lambda: _open_internal_error(page, back_office.site),
        "form-refused": lambda: _send_wrong_token(back_office),
        "sign-in-refused": lambda: _guess(back_office, 1),
        "locked-out": lambda: _guess(back_office, _GUESSES),
    }


def _begin_second_factor(back_office: BackOffice) -> None:
    back_office.site.run(_ACCOUNT)
    back_office.sign_in("Support", _NAME)
    back_office.open("second-factor/")
    back_office.page.get_by_label("Your password").fill(_PASSWORD)
    back_office.follow(back_office.page.get_by_role("button", name="Set up"))


def _confirm_second_factor(back_office: BackOffice) -> None:
    page = back_office.page
    secret = page.locator(".secret").inner_text().replace(" ", "")
    page.get_by_label("Code").fill(f"{TOTP(base64.b32decode(secret)).token():06}")
    back_office.follow(page.get_by_role("button", name="Activate"))


def _open_as_auditor(back_office: BackOffice, rows: dict[str, str]) -> None:
    back_office.sign_in("Auditor")
    back_office.open(f"sessions_app/usersession/{rows['session']}/erase/")


def _open_internal_error(page: Page, site: Site) -> None:
    """Show the page of a fault. No address of the product has one."""
    body: str = site.run(_INTERNAL_ERROR)
    address = f"{site.url}/admin/broken/"
    page.route(
        address, lambda route: route.fulfill(status=500, content_type="text/html", body=body)
    )
    page.goto(address)


def _send_wrong_token(back_office: BackOffice) -> None:
    back_office.page.context.clear_cookies()
    back_office.open("login/")
    back_office.page.evaluate(_WRONG_TOKEN)
    _try_to_sign_in(back_office)


def _guess(back_office: BackOffice, guesses: int) -> None:
    back_office.open("login/")
    for _ in range(guesses):
        if not back_office.page.get_by_label("Username").count():
            return
        _try_to_sign_in(back_office)


def _try_to_sign_in(back_office: BackOffice) -> None:
    back_office.page.get_by_label("Username").fill("guesser")
    back_office.page.get_by_label("Password").fill("guessed")
    back_office.follow(back_office.page.get_by_role("button", name="Log in"))
