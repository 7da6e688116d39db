"""/api/auth, /api/settings/require-login: logging in and out, and whether one has to."""

from __future__ import annotations

import asyncio

from omniroute.errors import RequestError
from omniroute.http.api.done import Done
from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, require_role
from omniroute.http.edge.browser import (
    came_over_tls,
    refuse_other_pages,
    session_cookie,
    session_token,
)
from omniroute.http.edge.routes import Surface
from omniroute.management import login
from omniroute.management.login import AuthStatus, Login, LoginRule, LoginRuleChange
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


async def _login(runtime: Runtime, *, body: Login, asked: Asked) -> ApiReply[Done]:
    snapshot = runtime.snapshot
    refuse_other_pages(asked)
    client_ip = client_ip_of(asked, snapshot)
    runtime.refuse_address(client_ip)
    try:
        session = await runtime.logins.open(
            snapshot.passwords,
            body.password,
            client_ip=client_ip,
            ttl_s=snapshot.config.auth.dashboard.session_ttl_s,
        )
    except RequestError as refused:
        if refused.kind == "authentication":
            request_id, target = asked.request_id, f"{asked.method} {asked.path}"
            entry = login.failed(runtime, client_ip, request_id=request_id, target=target)
            await asyncio.to_thread(login.record, runtime, entry)
        raise
    secure = came_over_tls(asked, snapshot)
    cookie = session_cookie(session.token.reveal(), ttl_s=session.ttl_s, secure=secure)
    return ApiReply(value=Done(), headers={"Set-Cookie": cookie, "Cache-Control": "no-store"})


async def _logout(runtime: Runtime, *, asked: Asked) -> ApiReply[Done]:
    refuse_other_pages(asked)
    token = session_token(asked)
    if token is not None:
        await runtime.logins.end(runtime.snapshot.passwords, token)
    secure = came_over_tls(asked, runtime.snapshot)
    cookie = session_cookie("", ttl_s=0, secure=secure)
    return ApiReply(value=Done(), headers={"Set-Cookie": cookie, "Cache-Control": "no-store"})


async def _status(runtime: Runtime, *, asked: Asked) -> ApiReply[AuthStatus]:
    try:
        caller = await require_role(runtime, asked, "viewer")
        status = AuthStatus(authenticated=True, role=caller.login)
    except RequestError as refused:
        if refused.kind != "authentication":
            raise
        status = AuthStatus(authenticated=False)
    return ApiReply(value=status, headers={"Cache-Control": "no-store"})


async def _rule(runtime: Runtime) -> LoginRule:
    return login.login_rule(runtime)


async def _set_rule(runtime: Runtime, *, body: LoginRuleChange, author: Author) -> LoginRule:
    return await login.set_login_rule(runtime, body, author=author)


ROUTES = (
    operation(
        "POST",
        "/api/auth/login",
        _login,
        name="login",
        surface=Surface.PUBLIC,
        summary="Log in with a password",
        refuses=(401, 403, 429, 503),
    ),
    operation(
        "POST",
        "/api/auth/logout",
        _logout,
        name="logout",
        surface=Surface.PUBLIC,
        summary="End the login of this cookie",
        refuses=(403, 503),
    ),
    operation(
        "GET",
        "/api/auth/status",
        _status,
        name="auth_status",
        surface=Surface.PUBLIC,
        summary="Whether this cookie or key is let in",
        refuses=(403,),
    ),
    operation(
        "GET",
        "/api/settings/require-login",
        _rule,
        name="login_rule",
        surface=Surface.PUBLIC,
        summary="Whether a login is required",
    ),
    operation(
        "PUT",
        "/api/settings/require-login",
        _set_rule,
        name="login_rule_set",
        surface=Surface.ADMIN,
        summary="Require a login, or not",
        refuses=REFUSES,
    ),
)
