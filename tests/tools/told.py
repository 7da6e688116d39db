"""The coding tools: how each is pointed at a gateway, and asked one thing without a terminal.

docs/coding-tools.md tells people the same; what is more here keeps a tool from calling home.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from msgspec import Struct

KEY: Final = "sk-omniroute-test"
FILE: Final = "secret.txt"
QUESTION: Final = f"Read {FILE} and tell me what it says."


class Tool(Struct, frozen=True, kw_only=True):
    """`call` and `arguments` are the tool's own way to read FILE in its project folder."""

    command: tuple[str, ...]
    call: str
    arguments: Callable[[Path], Mapping[str, Any]]
    prepare: Callable[[str, Path], Mapping[str, str]]
    """Writes settings into a home folder for a gateway's address; the environment to run in."""


def _claude(url: str, _home: Path) -> Mapping[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
    }


def _codex(url: str, home: Path) -> Mapping[str, str]:
    folder = home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(f"""
model = "smart"
model_provider = "omniroute"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.omniroute]
name = "OmniRoute"
base_url = "{url}/v1"
env_key = "OMNIROUTE_API_KEY"
wire_api = "responses"
""")
    return {"CODEX_HOME": str(folder), "OMNIROUTE_API_KEY": KEY}


def _codex_as_it_is(url: str, home: Path) -> Mapping[str, str]:
    """One line and a key: its own provider, its own default model."""
    folder = home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(f'openai_base_url = "{url}/v1"\n')
    return {"CODEX_HOME": str(folder), "CODEX_API_KEY": KEY}


def _gemini(url: str, home: Path) -> Mapping[str, str]:
    folder = home / ".gemini"
    folder.mkdir()
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False},
        "telemetry": {"enabled": False},
    }
    (folder / "settings.json").write_bytes(orjson.dumps(settings))
    return {
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": KEY,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "GEMINI_CLI_NO_RELAUNCH": "1",
    }


def _opencode(url: str, _home: Path) -> Mapping[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "OmniRoute",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {"smart": {"name": "Smart", "tool_call": True}},
    }
    config = {
        "model": "omniroute/smart",
        "small_model": "omniroute/smart",
        "provider": {"omniroute": provider},
        "autoupdate": False,
        "share": "disabled",
    }
    return {
        "OPENCODE_CONFIG_CONTENT": orjson.dumps(config).decode(),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    }


PATCH: Final = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch\n"
"""In Codex's own notation; its tool takes text, no JSON."""
CODEX_PATCHES: Final = Tool(
    command=(
        # A model that Codex knows gets the tool; another one edits by shell commands.
        *("codex", "exec", "-m", "gpt-5.5", "--skip-git-repo-check", "--json"),
        *("--dangerously-bypass-approvals-and-sandbox", "Write new.txt."),
    ),
    call="apply_patch",
    arguments=lambda _project: {"input": PATCH},
    prepare=_codex,
)
CODEX_AS_IT_IS: Final = Tool(
    command=(
        *("codex", "exec", "--skip-git-repo-check", "--json"),
        *("--dangerously-bypass-approvals-and-sandbox", QUESTION),
    ),
    # Its tools come as an item of the input, in namespaces; this one takes JavaScript.
    call="functions__exec",
    arguments=lambda _project: {
        "input": f'text((await tools.exec_command({{cmd: "cat {FILE}"}})).output)'
    },
    prepare=_codex_as_it_is,
)
TOOLS: Final[Mapping[str, Tool]] = {
    "claude-code": Tool(
        command=("claude", "-p", QUESTION, "--output-format", "json", "--allowedTools", "Read"),
        call="Read",
        arguments=lambda project: {"file_path": str(project / FILE)},
        prepare=_claude,
    ),
    "codex": Tool(
        command=(
            *("codex", "exec", "--skip-git-repo-check", "--json"),
            *("--dangerously-bypass-approvals-and-sandbox", QUESTION),
        ),
        call="exec_command",
        arguments=lambda _project: {"cmd": f"cat {FILE}"},
        prepare=_codex,
    ),
    "gemini-cli": Tool(
        command=("gemini", "-p", QUESTION, "--yolo", "-m", "gemini-3-pro"),
        call="read_file",
        arguments=lambda _project: {"file_path": FILE},
        prepare=_gemini,
    ),
    "opencode": Tool(
        command=("opencode", "run", QUESTION),
        call="read",
        arguments=lambda project: {"filePath": str(project / FILE)},
        prepare=_opencode,
    ),
}
