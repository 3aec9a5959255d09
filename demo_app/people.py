"""Invented visitors with names in many scripts.

E-mail addresses use the example domains of RFC 2606, IP addresses the
documentation ranges of RFC 5737 and RFC 3849.
"""

import ipaddress
import unicodedata
from dataclasses import dataclass
from random import Random

from common.context import IPAddress

# First and last names; _PAIRS has them in the order of their language.
_NAMES = {
    "anna": ["Anna", "Amélie", "Åsa", "Ayşe", "Chloë", "Dilek", "Emma", "Ewa", "Freyja", "Grainne"],
    "bell": ["Bell", "Čapek", "Castro", "Dvořák", "Fernández", "Groß", "Ibsen", "Kowalska",
             "Lindqvist", "Müller", "Nguyễn", "O’Brien", "Øvergård", "Șerban", "van den Berg"],
    "maria": ["Мария", "Олена", "Иван", "Дмитро"],
    "petrova": ["Петрова", "Шевченко", "Иванов", "Коваль"],
    "eleni": ["Ελένη", "Γιώργος", "Σοφία"],
    "papas": ["Παππάς", "Νικολάου"],
    "layla": ["ليلى", "يوسف", "مريم"],
    "haddad": ["حداد", "المصري"],
    "noa": ["נועה", "דוד"],
    "levi": ["לוי", "כהן"],
    "priya": ["प्रिया", "अर्जुन"],
    "sharma": ["शर्मा", "पटेल"],
    "wang": ["王", "李", "陳"],
    "wei": ["伟", "秀英", "小明"],
    "sato": ["佐藤", "鈴木"],
    "hanako": ["花子", "健"],
    "kim": ["김", "이"],
    "minjun": ["민준", "서연"],
    "somchai": ["สมชาย", "มาลี"],
    "jaidee": ["ใจดี", "รักไทย"],
    "abebe": ["አበበ", "ሰላም"],
    "bekele": ["በቀለ", "ታደሰ"],
}  # fmt: skip
_PAIRS = [
    ("anna", "bell"), ("anna", "bell"), ("anna", "bell"), ("anna", "bell"), ("maria", "petrova"),
    ("eleni", "papas"), ("layla", "haddad"), ("noa", "levi"), ("priya", "sharma"), ("wang", "wei"),
    ("sato", "hanako"), ("kim", "minjun"), ("somchai", "jaidee"), ("abebe", "bekele"),
]  # fmt: skip
_DOMAINS = ("example.com", "example.org", "example.net")
USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
)
_STEMS = (
    "Report", "Invoice", "Contract", "Lettre de motivation", "Lebenslauf", "Übersicht", "Žádost",
    "Отчёт", "Договор", "Αίτηση", "تقرير", "חשבונית", "रिपोर्ट", "报告", "請求書", "보고서", "ใบสมัคร",
    "scan", "IMG", "final version", "notes (copy)", "🧾 receipt",
)  # fmt: skip
_IPV4 = ("192.0.2", "198.51.100", "203.0.113")


@dataclass(frozen=True)
class DemoVisitor:
    """An invented person with a device and an IP address."""

    name: str
    email: str
    address: IPAddress
    user_agent: str


AGENT = DemoVisitor("", "", ipaddress.ip_address("192.0.2.200"), "maria-agent/2.4")


def staff_client(member: int) -> DemoVisitor:
    """Return the device and IP address of a staff member."""
    return DemoVisitor(
        "", "", ipaddress.ip_address(f"198.51.100.{member % 250 + 1}"), USER_AGENTS[7]
    )


def visitor(random: Random, number: int) -> DemoVisitor:
    """Return a random visitor; `number` makes the e-mail address unique."""
    first, last = random.choice(_PAIRS)
    name = f"{random.choice(_NAMES[first])} {random.choice(_NAMES[last])}"
    email = f"{first}.{last}.{number}@{random.choice(_DOMAINS)}"
    return DemoVisitor(name, email, address(random), random.choice(USER_AGENTS))


def address(random: Random) -> IPAddress:
    """Return a random address: three of four are IPv4."""
    if random.random() < 0.75:
        return ipaddress.ip_address(f"{random.choice(_IPV4)}.{random.randint(1, 254)}")
    network, host = random.randint(0, 0xFFF), random.randint(1, 0xFFFF)
    return ipaddress.ip_address(f"2001:db8:{network:x}::{host:x}")


def file_name(random: Random) -> str:
    """Return a random PDF name in NFC."""
    stem = unicodedata.normalize("NFC", random.choice(_STEMS))
    return f"{stem} {random.randint(1, 9999)}.pdf"
