from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from target_kustomer.mapping.addresses import (
    domain_name,
    email_address,
    phone_number,
    social_name,
    social_url,
    web_address,
)
from target_kustomer.mapping.failures import CoercionError, Notes
from target_kustomer.models import Reason

if TYPE_CHECKING:
    from collections.abc import Callable


def assert_refused(read: Callable[[str], object], value: str) -> None:
    with pytest.raises(CoercionError) as caught:
        read(value)
    assert caught.value.reason == Reason.INVALID_FORMAT


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Lovelace@EXAMPLE.Com", "Ada.Lovelace@example.com"),
        ("ada+kustomer@example.com", "ada+kustomer@example.com"),
        ("ada@bücher.example.com", "ada@bücher.example.com"),
        # Refused by the library, taken by Kustomer's relaxed format.
        ("ada@shop.TEST", "ada@shop.test"),
        ("ada..l@docomo.ne.JP", "ada..l@docomo.ne.jp"),
        ("ada.@Example.com", "ada.@example.com"),
        ("ada@-example.com", "ada@-example.com"),
    ],
)
def test_email_addresses_get_their_normal_form(value: str, sent: str) -> None:
    assert email_address(value) == sent


LOCALS = st.text("aAzZ09._+-'\"!é @", max_size=8) | st.sampled_from(["INFO", "a" * 64, "a" * 65])
DOMAINS = st.sampled_from(
    [
        "Example.com",
        "bücher.de",
        "a.test",
        "ada",
        "x..com",
        "-x.com",
        "[1.2.3.4]",
        "b@x.com",
        "d" * 64,
    ]
)


@given(local=LOCALS, domain=DOMAINS)
def test_an_address_that_the_library_takes_is_as_the_library_has_it(
    local: str, domain: str
) -> None:
    value = f"{local}@{domain}"
    try:
        known = validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError:
        known = None
    try:
        sent = email_address(value)
    except CoercionError:
        sent = None
    assert sent == known or (known is None and sent == f"{local}@{domain.lower()}")


@pytest.mark.parametrize(
    "value",
    [
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@example",
        "a@b@example.com",
        "ada lovelace@example.com",
        "ada@exam ple.com",
        "Ada <ada@example.com>",
        "ada@.com",
        "ada@example..com",
        "ada@example.com.",
        "ada@example.com, b@example.com",
        "a(b)@example.test",
        'ada"@example.test',
        "ada;b@example.test",
        "ada:b@example.test",
        "a\\b@example.test",
        "[a]@example.test",
        "a\x00b@example.test",
    ],
)
def test_what_is_no_email_address_is_refused(value: str) -> None:
    assert_refused(email_address, value)


@pytest.mark.parametrize(
    ("value", "region", "sent"),
    [
        ("+55 (12) 3923-5555", None, "+551239235555"),
        ("+1 415 555 2671", None, "+14155552671"),
        ("(415) 555-2671", "US", "+14155552671"),
        ("14155552671", "US", "+14155552671"),
        ("030 123456", "DE", "+4930123456"),
        ("00 49 30 123456", "GB", "+4930123456"),
        ("+4930123456", "US", "+4930123456"),
        ("020 7946 0958", "UK", "+442079460958"),
        # Possible, though nobody has been assigned it.
        ("+1 200 000 0000", None, "+12000000000"),
    ],
)
def test_phone_numbers_become_e164(value: str, region: str | None, sent: str) -> None:
    assert phone_number(value, Notes(region)) == sent


@pytest.mark.parametrize(
    ("value", "region"),
    [
        ("call me", "US"),
        ("123", "US"),
        ("+453 3331 9991", "DK"),
        ("+1 415 555 26711", None),
        ("555-2671", "US"),
        ("030 123456", None),
        ("030 123456", "XX"),
        ("4930123456", None),
        ("+999 123456", None),
        ("1" * 300, "US"),
    ],
)
def test_impossible_numbers_are_refused(value: str, region: str | None) -> None:
    assert_refused(lambda given: phone_number(given, Notes(region)), value)


def test_extensions_are_left_off_and_noted() -> None:
    notes = Notes("US")
    assert phone_number("(415) 555-2671 ext. 12", notes) == "+14155552671"
    assert phone_number("(415) 555-2671", notes) == "+14155552671"
    assert notes.extensions == 1


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTP://Example.com/Path?q=1#top", "http://Example.com/Path?q=1#top"),
        ("http://localhost:8080/x", "http://localhost:8080/x"),
        ("example.com", "https://example.com"),
        ("www.example.com:8080/a", "https://www.example.com:8080/a"),
        ("example.com?q=1", "https://example.com?q=1"),
        ("https://user:pw@example.com", "https://user:pw@example.com"),
        ("https://[2001:DB8::1]:80/", "https://[2001:db8::1]:80/"),
        ("https://bücher.example/straße", "https://xn--bcher-kva.example/stra%C3%9Fe"),
        ("https://example.com/a%20b%", "https://example.com/a%20b%25"),
        ("https://example.com/{x}|y", "https://example.com/%7Bx%7D%7Cy"),
    ],
)
def test_web_addresses_get_a_scheme(value: str, sent: str) -> None:
    assert web_address(value) == sent


@pytest.mark.parametrize(
    "value",
    [
        "example",
        "localhost:8080",
        "ftp://example.com",
        "mailto:ada@example.com",
        "https://",
        "javascript:alert(1)",
        "https://exa mple.com",
        "https://example.com/a b",
        "//example.com",
        "https://[::x]",
        "https://a..b.com",
        "https://ü..com",
        "https://-a.com",
        "https://" + "a" * 64 + ".com",
        "none",
        "n/a",
        "https://example.com:port/",
    ],
)
def test_what_is_no_web_address_is_refused(value: str) -> None:
    assert_refused(web_address, value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("Example.COM", "example.com"),
        ("https://www.example.com/about?x", "www.example.com"),
        ("example.com:8080/a", "example.com"),
        ("example.com.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_is_the_host(value: str, sent: str) -> None:
    assert domain_name(value) == sent


@pytest.mark.parametrize(
    "value",
    ["example", "http://localhost", "ada@example.com", "https://[::1]/", "a b.com", "@a.com"],
)
def test_what_is_no_domain_is_refused(value: str) -> None:
    assert_refused(domain_name, value)


@pytest.mark.parametrize(
    ("value", "name", "url"),
    [
        ("ada", "ada", None),
        ("@ada", "ada", None),
        ("ada.lovelace", "ada.lovelace", None),
        ("https://twitter.com/ada", "ada", "https://twitter.com/ada"),
        ("linkedin.com/in/ada-l/", "ada-l", "https://linkedin.com/in/ada-l/"),
        ("https://x.com/@ada?s=1", "ada", "https://x.com/@ada?s=1"),
        ("https://fb.com/%C3%A4da", "äda", "https://fb.com/%C3%A4da"),
    ],
)
def test_a_social_name_is_the_last_part_of_its_url(value: str, name: str, url: str | None) -> None:
    assert social_name(value) == name
    assert social_url(value) == url


@pytest.mark.parametrize("value", ["@", "https://twitter.com", "https://twitter.com/", "a b.com/x"])
def test_what_holds_no_social_name_is_refused(value: str) -> None:
    assert_refused(social_name, value)
