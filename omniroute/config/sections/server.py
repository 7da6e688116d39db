"""The sections `server`, `auth`, `settings`, `usage` and `reload`."""

from __future__ import annotations

import posixpath
from typing import Literal

from omniroute.config.model import Auth, Reload, Server, SessionRule, Settings, Usage
from omniroute.config.sections.governance import build_system_prompt, build_thinking_budget
from omniroute.config.view import View


def build_server(view: View, *, base_folder: str) -> Server:
    """`base_folder` is where the default data folder lies: that of the main file."""
    default = Server()
    workers: int | Literal["auto"] = (
        "auto" if view.scalar("workers") == "auto" else view.integer("workers", 1)
    )
    return Server(
        host=view.text("host", default.host),
        port=view.integer("port", default.port),
        workers=workers,
        data_dir=view.file_path("data_dir") or posixpath.join(base_folder, default.data_dir),
        max_body_bytes=view.size_bytes("max_body", default.max_body_bytes),
        request_timeout_s=view.duration_s("request_timeout", default.request_timeout_s),
        shutdown_grace_s=view.duration_s("shutdown_grace", default.shutdown_grace_s),
        trusted_proxies=view.texts("trusted_proxies"),
        cors_origins=view.view("cors").texts("origins"),
    )


def build_auth(view: View) -> Auth:
    default = Auth()
    dashboard = view.view("dashboard")
    return Auth(
        require_api_key=view.boolean("require_api_key", default=default.require_api_key),
        require_login=dashboard.boolean("require_login", default=default.require_login),
    )


def build_settings(view: View) -> Settings:
    return Settings(
        system_prompt=build_system_prompt(view.view("system_prompt")),
        thinking_budget=build_thinking_budget(view.view("thinking_budget")),
        proxy=view.ref("proxy"),
    )


def build_usage(view: View) -> Usage:
    default = Usage()
    session = view.view("session")
    return Usage(
        retention_s=view.duration_s("retention", default.retention_s),
        session=SessionRule(
            header=session.text("header", default.session.header),
            idle_s=session.duration_s("idle", default.session.idle_s),
        ),
    )


def build_reload(view: View) -> Reload:
    default = Reload()
    return Reload(
        watch=view.boolean("watch", default=default.watch),
        debounce_s=view.duration_s("debounce", default.debounce_s),
    )
