"""What one plain request touches: calls, functions, files and objects of ours.

    python -m tests.gateway.footprint

Serves the gateway in this process in front of a scripted provider, and looks at one request when
everything is warm. Every call expression of the product is counted by an import hook that wraps it,
so that the figures do not depend on the machine. Writes JSON.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import importlib.abc
import importlib.machinery
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, cast

WARM = 20
KEY = "omr_footprint"


class Counts:
    """Filled while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.calls = 0
        self.functions: set[CodeType] = set()
        self.objects: Counter[str] = Counter()

    def call(self, what: Any) -> Any:
        """Stands around what every call expression of the product calls."""
        if self.on and isinstance(what, type) and what.__module__.startswith("omniroute"):
            self.objects[what.__name__] += 1
        return what

    def profile(self, frame: FrameType, event: str, _arg: object) -> None:
        code = frame.f_code
        if self.on and event == "call" and "/omniroute/" in code.co_filename:
            self.calls += 1
            self.functions.add(code)

    def figures(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "functions": len(self.functions),
            "files": len({code.co_filename for code in self.functions}),
            "objects": sum(self.objects.values()),
            "by_class": dict(self.objects.most_common()),
        }


COUNTS = Counts()


class _Wrap(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node  # it looks at its caller
        name = ast.Name("__counted__", ast.Load())
        return ast.Call(ast.Call(name, [node.func], []), node.args, node.keywords)


class _Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = ast.fix_missing_locations(_Wrap().visit(ast.parse(cast("bytes", data))))
        return compile(tree, path, "exec", dont_inherit=True)

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if not fullname.startswith("omniroute"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


async def measure(folder: Path) -> None:
    """One request after the warm ones, from the first byte that came in to the last one out."""
    from tests.chat import answer
    from tests.running import running
    from tests.scripted import scripted_upstream

    completion = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "hello"},
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
    async with scripted_upstream([answer(200, completion)]) as upstream:
        text = f"""
auth: {{require_api_key: true}}
keys: {{k: {{hash: "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"}}}}
providers:
  lab:
    format: openai-chat
    base_url: {upstream.url}/v1
    allow_private_network: true
    connections: {{main: {{api_key: sk-x}}}}
    models: {{m: {{}}}}
"""
        async with running(folder, text) as gateway:
            question = {"model": "lab/m", "messages": [{"role": "user", "content": "hello"}]}
            headers = {"authorization": f"Bearer {KEY}"}
            for turn in range(WARM + 1):
                COUNTS.on = turn == WARM
                reply = await gateway.client.post(
                    "/v1/chat/completions", json=question, headers=headers
                )
                COUNTS.on = False
                assert reply.status_code == 200, reply.text


def main(measured: Callable[[Path], Any] = measure) -> None:
    import builtins

    setattr(builtins, "__counted__", COUNTS.call)  # noqa: B010 - the name is the hook's own
    sys.meta_path.insert(0, _Finder())
    sys.setprofile(COUNTS.profile)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measured(Path(folder)))
    sys.setprofile(None)
    print(json.dumps(COUNTS.figures(), indent=1))  # noqa: T201 - this is the command's output


if __name__ == "__main__":
    main()
