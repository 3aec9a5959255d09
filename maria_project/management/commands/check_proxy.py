"""`manage.py check_proxy URL`: can a visitor forge the address that limits count?"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from maria_project.proxies import ProbeFailed, ProxyProbe, probe_forgeries

FORWARDED = "x-forwarded-for"
COUNT_PROXIES = (
    "Set TRUSTED_PROXIES to the number of your own proxies, not more. Let each proxy append to "
    "X-Forwarded-For. Block direct access to the application."
)
DROP_HEADER = (
    "The product does not read this header, so a proxy does. Let the outermost proxy remove or "
    "overwrite it."
)
OWN_ORIGIN = (
    "Requests of pages of {origin} would be refused: the application does not know this address. "
    "Let the proxy pass Host and set X-Forwarded-Proto, and set PUBLIC_URL and TRUSTED_PROXIES."
)


class Command(BaseCommand):
    help = (
        "Sends requests with forged headers to the public address URL and reports whether the "
        "client address can be faked. Exit code 0: it cannot. 1: it can. 2: no result. Uses up the "
        "validate limit of this machine for a minute."
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
            faked = self._try_forgeries(probe)
        except ProbeFailed as error:
            raise CommandError(f"No result. {error}", returncode=2) from error
        if faked:
            advice = {_advice(header): None for header in faked}
            raise CommandError(f"The client address can be faked. {' '.join(advice)}", returncode=1)
        self.stdout.write("The client address cannot be faked.")

    def _try_forgeries(self, probe: ProxyProbe) -> list[str]:
        """Report each forgery; return the headers that were trusted."""
        faked = []
        for forgery, is_trusted in probe_forgeries(probe):
            self.stdout.write(f"{forgery}: {'TRUSTED' if is_trusted else 'not trusted'}")
            if is_trusted:
                faked.append(forgery.header)
        return faked


def _advice(header: str) -> str:
    return COUNT_PROXIES if header.lower().replace("_", "-") == FORWARDED else DROP_HEADER
