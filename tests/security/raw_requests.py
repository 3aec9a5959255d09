"""Random HTTP requests as bytes: valid ones, and ones that are wrong in one or several places."""

import random
from collections.abc import Callable, Iterator, Sequence

METHODS = [b"GET", b"POST", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT",
           b"get", b"BREW", b"", b"G\0T", b"PRI", b"M-SEARCH", b"X" * 300]  # fmt: skip
PATHS = [b"/", b"/about/", b"/health/live", b"/health/ready", b"/metrics", b"/admin", b"/admin/login/",
         b"/admin/sessions_app/usersession/", b"/admin/jsi18n/", b"/api/schema/", b"/api/docs/",
         b"/api/v1/sessions/", b"/api/v1/sessions/current/", b"/api/v1/sessions/validate/",
         b"/api/v1/sessions/recover/", b"/api/v1/sessions/current/reset/", b"/api/v1/uploads/",
         b"/api/v1/uploads/direct/", b"/api/v1/audit-logs/", b"/api/v1/service/events/", b"/static/x",
         b"/static/admin/css/base.css", b"/none", b"/api/v1/uploads/9b2f8f6e-3c1d-4a57-8e21-0d4c5b6a7f80/",
         ]  # fmt: skip
TARGETS = [b"*", b"//", b"http://[", b"http://[::1/", b"http://localhost/health/live", b"localhost:80", b"?",
           b"#", b"/%", b"/%zz", b"/%00", b"/%ff%fe", b"/..%2f..%2f", b"/a" * 3000, b"/" + b"\xff" * 900,
           b"/%c0%ae/", b"///health/live", b"http://\xe2\x84\xab/", b"/;a=b", b"/\xe9", b""]  # fmt: skip
QUERIES = [b"?", b"?a=%41", b"?a=" + b"%ff" * 200, b"?" + b"&" * 900, b"?version=%0a", b"?format=json",
           b"?format=%00", b"?lang=%00", b"?page=-1", b"?cursor=x", b"?link=x", b"?next=//e", b"?erase=true",
           b"?\xff", b"?script="]  # fmt: skip
VERSIONS = [b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b" HTTP/9.9", b" HTTP/1.1 ", b"", b" http/1.1", b" HTTP/1.10"]  # fmt: skip
HEADERS: dict[bytes, Sequence[bytes]] = {
    b"Content-Type": [b"application/json", b"text/plain; charset=hex", b"a/b; charset=punycode",
                      b"multipart/form-data", b"multipart/form-data; boundary=b", b"a/b; a*=x; a*0=y",
                      b"application/x-www-form-urlencoded", b"a/b; x*=idna''%41", b"; =", b"a" * 3000,
                      b"multipart/form-data; boundary*=hex''b", b"text/plain;charset=\xff"],
    b"Content-Length": [b"0", b"2", b"17", b"-1", b"1e3", b"9" * 30, b"9" * 5000, b"0x10", b"", b"+2", b" 2 ",
                        b"2, 2", b"\xb2", b"70000"],
    b"Transfer-Encoding": [b"chunked", b"identity", b"gzip", b"chunked, chunked", b"\x0bchunked", b""],
    b"Host": [b"localhost", b"evil.example", b"", b"[::1]:80", b"a,b", b"\xff", b"localhost:99999", b"[",
              b"127.0.0.1", b"%00", b"localhost\t"],
    b"Accept": [b"*/*", b"application/json; a*=x; a*0=y", b"a/b; q=x", b"a,b," * 700, b"image/png", b";", b"\xff"],
    b"Accept-Encoding": [b"gzip", b"br;q=x", b"\xff", b"*"],
    b"Accept-Language": [b"de", b"*", b"x-" * 900, b"\xff"],
    b"Cookie": [b"maria_session=x", b"=", b";;;=;", b"maria_staff=" + b"x" * 900, b"\xff=\xff", b"messages=x:1:y",
                b'csrftoken="', b"maria_session=mss1_" + b"a" * 43, b"maria_session=a; maria_session=b"],
    b"Authorization": [b"Bearer x", b"Bearer", b"Basic \xff", b"Bearer mss1_" + b"a" * 43, b"Bearer msk1_x"],
    b"X-Session-UUID": [b"x", b"9b2f8f6e-3c1d-4a57-8e21-0d4c5b6a7f80", b"\xff", b""],
    b"X-Forwarded-For": [b"1.2.3.4", b",,,", b"\xff", b"::1%eth0", b"1" * 3000],
    b"X-Forwarded-Proto": [b"https", b"http,https", b"\xff"],
    b"X-Request-ID": [b"abcdefgh", b"a b", b"\xff" * 70],
    b"Origin": [b"null", b"https://evil.example", b"\xff", b"http://["],
    b"Referer": [b"http://[", b"\xff"],
    b"Range": [b"bytes=0-1", b"bytes=-1", b"bytes=9-1", b"bytes=" + b"9" * 5000 + b"-", b"x=1"],
    b"If-None-Match": [b"*", b'W/"', b"\xff"],
    b"If-Modified-Since": [b"Thu, 01 Jan 1970 00:00:00 GMT", b"Thu, 99 Foo 99999", b"\xff", b"9" * 99],
    b"Idempotency-Key": [b"x", b"\xff", b"k" * 300],
    b"Expect": [b"100-continue", b"200-ok", b""],
    b"Connection": [b"close", b"keep-alive", b"upgrade", b"\xff"],
    b"Upgrade": [b"websocket", b"h2c"],
    b"Access-Control-Request-Method": [b"POST", b"\xff"],
}  # fmt: skip
NAMES = [b"X\xff", b"X Y", b"", b" Folded", b"X_Y", b"Content_Length", b"X" * 9000]
BODIES = [b"", b"{}", b"[" * 900, b"{\"uuid\": \"\\ud800\"}", b"\xff\xfe", b"a=b&c", b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n",
          b"zz\r\n", b"2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n", b"ffffffffffffffffff\r\n", b"\r\n",
          b"--b\r\nContent-Disposition: form-data; name=file; filename*=hex''a\r\n\r\nx\r\n--b--\r\n",
          b"--b\r\nContent-Disposition: form-data; name=file; a*=x; a*0=y\r\n\r\nx\r\n--b--\r\n"]  # fmt: skip
NOISE = [b"\0", b"\r", b"\n", b"\xff", b" ", b"\t", b":", b"\r\n", b"%", b"\x7f", b"\xe2\x80\x80"]


def requests(seed: int, count: int) -> Iterator[bytes]:
    """Yield that many requests, the same ones for the same seed."""
    pick = random.Random(seed)
    for _ in range(count):
        data = _request(pick)
        yield _broken(pick, data) if pick.random() < 0.15 else data


def _request(pick: random.Random) -> bytes:
    method = pick.choice(METHODS if pick.random() < 0.1 else [b"GET", b"POST", *METHODS[:7]])
    target = pick.choice(TARGETS if pick.random() < 0.15 else PATHS)
    if pick.random() < 0.3:
        target += pick.choice(QUERIES)
    version = pick.choice(VERSIONS) if pick.random() < 0.3 else VERSIONS[0]
    body = pick.choice(BODIES) if method != b"GET" or pick.random() < 0.1 else b""
    lines = _headers(pick, body)
    return method + b" " + target + version + b"\r\n" + b"\r\n".join([*lines, b"", body])


def _headers(pick: random.Random, body: bytes) -> list[bytes]:
    names = pick.sample(list(HEADERS), pick.randint(0, 4))
    lines = [b"%b: %b" % (name, pick.choice(HEADERS[name])) for name in names]
    if b"Host" not in names and pick.random() < 0.95:
        lines.append(b"Host: localhost")
    if body and not {b"Content-Length", b"Transfer-Encoding"} & set(names):
        lines.append(b"Content-Length: %d" % len(body))
    if pick.random() < 0.03:
        lines.append(pick.choice(NAMES) + b": a")
    pick.shuffle(lines)
    return lines


def _broken(pick: random.Random, data: bytes) -> bytes:
    """Return a request with bytes added, repeated or missing anywhere."""
    place = pick.randrange(len(data))
    changes: list[Callable[[], bytes]] = [
        lambda: data[:place] + pick.choice(NOISE) * pick.choice((1, 1, 300)) + data[place:],
        lambda: data[:place] + data[place + pick.randint(1, 9) :],
        lambda: data[:place] + data[place : place + 20] * 40 + data[place + 20 :],
        lambda: data[:place],
        lambda: data.replace(b"\r\n", pick.choice((b"\n", b"\r", b"\r\n ")), pick.randint(1, 3)),
        lambda: pick.randbytes(pick.randint(1, 300)),
        lambda: data + data,
    ]
    return pick.choice(changes)()
