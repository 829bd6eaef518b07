"""What may be configured as the address and headers of a worker."""

from __future__ import annotations

import pytest

from dispatch._address import check_worker_headers, check_worker_url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/work",
        "https://worker.example/a?b=c",
        "http://localhost",
        "http://[::1]:80/",
        "HTTP://Worker.example/",
        "http://bücher.example/",
        "http://worker.example/a@b",
        "http://worker.example.:80/",
        "http://my_worker_1/",
        "http://_x.-y-.example/",
        f"http://{'a' * 63}.example/",
        f"http://{'.'.join(['a' * 49] * 5)}.aaa./",
        "http://[fe80::1%25eth0]/",
        "http://[::ffff:10.0.0.1]/",
        "http://xn--bcher-kva.example/",
        "http://1password.example/",
    ],
)
def test_addresses_of_http_are_allowed_whatever_their_host(url):
    assert check_worker_url(url) is None


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "begin"),
        ("ftp://worker.example", "begin"),
        ("file:///etc/passwd", "begin"),
        ("worker.example/work", "begin"),
        ("http://", "host"),
        ("http:///path", "host"),
        ("http://:80/", "host"),
        ("http://user:secret@worker.example", "password"),
        ("http://@worker.example", "password"),
        ("http://worker.example:99999/", "valid"),
        ("http://worker.example:0/", "host"),
        ("http://[::1/", "valid"),
        ("http://worker.example/a b", "spaces"),
        ("http://worker.example/\r\nX: y", "spaces"),
        (" http://worker.example", "spaces"),
        ("http://a..b/", "two dots"),
        ("http://.a/", "begin with a dot"),
        ("http://./", "begin with a dot"),
        ("http://a../", "two dots"),
        ("http://bü..cher/", "two dots"),
        ("http://a\u3002\u3002b/", "two dots"),
        (f"http://{'a' * 300}/", "63 bytes"),
        (f"http://x.{'a' * 64}.example/", "63 bytes"),
        (f"http://{'ü' * 60}.example/", "63 bytes"),
        (f"http://{'.'.join(['a' * 49] * 5)}.aaaa/", "253 bytes"),
        ("http://999.1.1.1/", "IPv4"),
        ("http://1.2.3.4.5/", "IPv4"),
        ("http://a\u200db/", "invisible"),
        ("http://a\\b/", "backslashes"),
    ],
)
def test_others_are_refused_with_the_reason(url, word):
    assert word in (check_worker_url(url) or "")


def test_headers_may_be_anything_that_headers_can_carry():
    assert check_worker_headers({"X-Key": "v 1\tü", "Authorization": "Basic eA=="}) is None


@pytest.mark.parametrize(
    "headers",
    [{"": "v"}, {"a b": "v"}, {"a:": "v"}, {"Content-Length": "5"}, {"HOST": "h"}, {"x": "a\r\nb: c"}, {"x": "\0"}],
)
def test_other_headers_are_refused_without_their_values(headers):
    problem = check_worker_headers(headers)
    assert problem is not None
    assert "b: c" not in problem
