"""`manage.py check_proxy URL`: can a visitor fake the address they are counted under?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from maria_project.proxies import ProbeFailed, ProxyProbe, believed

FORWARDED = "x-forwarded-for"
COUNT_PROXIES = (
    "Set TRUSTED_PROXIES to the number of your own proxies, no more; let each append to "
    "X-Forwarded-For rather than pass it on; and let nobody reach the application past them."
)
DROP_HEADER = (
    "The product does not read this header, so something before it does: let the outermost proxy "
    "remove or overwrite it."
)
OWN_ORIGIN = (
    "Pages of {origin} would be refused as foreign: the application does not know that it is called "
    "so. Let the proxy pass Host and set X-Forwarded-Proto, and set PUBLIC_URL and TRUSTED_PROXIES."
)


class Command(BaseCommand):
    help = (
        "Sends forged headers through the public address URL and says whether the client address "
        "can be faked. Exit code 0: it cannot; 1: it can; 2: it could not be found out. Uses up "
        "this machine's limit for validating, for a minute."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", metavar="URL", help="like https://maria.example.com")
        parser.add_argument(
            "--timeout",
            type=float,
            default=10.0,
            metavar="SECONDS",
            help="how long to wait for an answer (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            probe = ProxyProbe(options["url"], options["timeout"])
            if probe.refuses_own_origin():
                self.stdout.write(OWN_ORIGIN.format(origin=probe.origin))
            faked = self._tried(probe)
        except ProbeFailed as error:
            raise CommandError(f"Could not tell. {error}", returncode=2) from error
        if faked:
            advice = {_advice(header): None for header in faked}
            raise CommandError(f"The client address can be faked. {' '.join(advice)}", returncode=1)
        self.stdout.write("The client address cannot be faked.")

    def _tried(self, probe: ProxyProbe) -> list[str]:
        """Try and report each forgery; return the headers that were believed."""
        faked = []
        for forgery, is_believed in believed(probe):
            self.stdout.write(f"{forgery}: {'BELIEVED' if is_believed else 'not believed'}")
            if is_believed:
                faked.append(forgery.header)
        return faked


def _advice(header: str) -> str:
    return COUNT_PROXIES if header.lower().replace("_", "-") == FORWARDED else DROP_HEADER
