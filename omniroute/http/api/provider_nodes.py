"""/api/provider-nodes: servers that the files declare by format and URL."""

from __future__ import annotations

from omniroute.http.api.entries import edits_of, entry_routes
from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import probes
from omniroute.management.probes import NodeCandidate, ProbeReport
from omniroute.management.provider_nodes import NODES
from omniroute.worker.runtime import Runtime


async def _validate(runtime: Runtime, *, body: NodeCandidate) -> ProbeReport:
    return await probes.validate_node(runtime, body)


ROUTES = (
    operation(
        "POST", "/api/provider-nodes/validate", _validate,
        name="provider_node_validate", surface=Surface.ADMIN,
        summary="Ask a server for its models before it is declared",
    ),
    *entry_routes("/api/provider-nodes", edits_of(NODES)),
)  # fmt: skip
