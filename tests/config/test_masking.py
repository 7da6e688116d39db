"""No secret of a file is shown, whatever is wrong with the line that it stands on."""

from __future__ import annotations

import pytest

from omniroute.config.check import Checked
from omniroute.config.masking import FileMask
from omniroute.config.render import render_github, render_json, render_sarif, render_text
from omniroute.config.yamltree import parse_yaml
from tests.config.files import check_text

SECRET = "swordfish-and-more"  # noqa: S105 -- the text under test


def shown(checked: Checked) -> str:
    found = checked.diagnostics
    text = render_text(found, checked.sources, mask=checked.mask)
    return text + render_json(found) + render_github(found) + render_sarif(found)


@pytest.mark.parametrize(
    "entry",
    [
        f'base_url: "https://ada:{SECRET}@lab.example/v1"',
        f'base_url: "https://{SECRET}@lab.example/v1"',
        f'base_url: "https://ada:p/{SECRET}@lab.example/v1"',
        f'base_url: "ftp://ada:{SECRET}@lab.example:x/v1"',
        f'base_url: "https://lab.example/v1?api_key={SECRET}"',
        f'base_url: ["https://ada:{SECRET}@lab.example/v1"]',
        f'base_url: https://lab.example, headers: {{X-Gateway-Token: "{SECRET}"}}',
        f'base_url: https://lab.example, headers: {{X-Gateway-Token: ["{SECRET}"], b: 1}}',
        'base_url: https://lab.example, headers: {X-Anything: "swordfish2a9f86d081884c7d659"}',
        f'base_url: https://lab.example, proxy: "httpp://ada:{SECRET}@p.example"',
        f'base_url: https://lab.example, conections: {{a: {{api_key: "{SECRET}"}}}}',
        f'base_url: https://lab.example, headers: {{Authorization: "Bearer {SECRET}" }}, x: [}}',
        f'api_key: "{SECRET}\\q"',
    ],
)
def test_a_secret_in_the_line_is_masked_in_every_form(entry: str) -> None:
    checked = check_text(f"providers:\n  lab: {{format: openai-chat, {entry}}}\n")
    assert checked.diagnostics
    assert "swordfish" not in shown(checked)


@pytest.mark.parametrize(
    "text",
    [
        "base_url: https://lab.example:8443/v1",
        "proxy: http://ada:${env:PROXY_PASSWORD}@p.example:3128",
        "proxy: http://ada:${file:/run/secrets/p}@p.example:3128",
        "headers: {X-Team: platform}",
        "models: [team/llama-3.3-70b@latest]",
        "api_key: ${env:KEY}",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert FileMask(None, (text,))(text) == text


def test_an_ordinary_header_does_not_blur_what_else_is_called_so() -> None:
    text = "providers:\n  lab: {format: openai-chat, base_url: x, headers: {X-Team: platform}}\n"
    assert check_text(text).mask("team platform") == "team platform"


def test_the_caret_of_a_finding_inside_of_a_secret_stands_at_its_mask() -> None:
    checked = check_text(f'providers: {{a: {{preset: "{SECRET}\\q"}}, b: {{api_key: {SECRET}}}}}\n')
    assert "swordfish" not in shown(checked)


def test_a_password_in_the_place_of_its_hash_is_masked_and_so_is_a_hash() -> None:
    text = "auth: {dashboard: {password_hash: correct-horse-battery}}\n"
    root = parse_yaml(text.encode(), "f").root
    assert "horse" not in FileMask(root)(text)
    hashed = 'password_hash: "$argon2id$v=19$m=19456,t=2,p=1$bozVfCxruILBmzirQH5ZpQ$+URgGZiPIoHE"'
    assert FileMask()(hashed) == 'password_hash: "***"'
