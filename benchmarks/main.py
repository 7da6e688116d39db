"""Interleaved rounds over all subjects; the report goes to standard output, progress to standard
error."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import servers
from benchmarks.report import Rounds, Sample, describe_machine, render_report
from benchmarks.servers import Server
from benchmarks.starts import measure_starts
from benchmarks.works import SUBJECTS, WORKS, Work

_WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how hard; `seconds` is one subject's share of one round."""

    rounds: int
    seconds: float
    subjects: tuple[str, ...]
    works: tuple[Work, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Where processes are kept; None where the machine does not allow it."""

    servers: int | None = None
    clients: int | None = None


def parse_plan() -> Plan:
    known = {work.id: work for work in WORKS}
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds: does it work?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="per subject and round")
    parser.add_argument("--only", default=",".join(SUBJECTS), help="subjects, split by commas")
    parser.add_argument("--works", default=",".join(known), help="what to ask, split by commas")
    options = parser.parse_args()
    subjects, works = options.only.split(","), options.works.split(",")
    for name, names in ((subjects, SUBJECTS), (works, known)):
        if unknown := set(name) - set(names):
            parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return Plan(
        rounds=2 if options.quick else options.rounds,
        seconds=0.6 if options.quick else options.seconds,
        subjects=tuple(subjects),
        works=tuple(known[name] for name in works),
    )


def choose_cores() -> Cores:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or shutil.which("taskset") is None:
        return Cores()
    return Cores(servers=cores[0], clients=cores[1])


class Field:
    """The subjects that run, and who is absent; all end with `stack`."""

    def __init__(self, stack: ExitStack, plan: Plan, *, cores: Cores, folder: Path) -> None:
        self._stack = stack
        self._cores = cores
        self._folder = folder
        self.absent: list[str] = []
        provider = stack.enter_context(
            servers.started(
                "direct",
                servers.upstream_command,
                core=cores.clients,
                log=folder / "provider.log",
            )
        )
        self._provider = provider
        started = {"direct": provider, **dict(self._start(set(plan.subjects)))}
        self.running = {name: started[name] for name in plan.subjects if name in started}

    def _start(self, wanted: set[str]) -> Iterator[tuple[str, Server]]:
        folder, port_of_provider = self._folder, self._provider.port
        if "sanic" in wanted:
            yield "sanic", self._on("sanic", servers.sanic_command)
        if "nginx" in wanted and servers.find_nginx() is None:
            self.absent.append("nginx: absent on this machine")
        elif "nginx" in wanted:
            yield (
                "nginx",
                self._on(
                    "nginx",
                    lambda port: servers.nginx_command(port, port_of_provider, folder / "nginx"),
                ),
            )
        if wanted & {"omniroute", "messages"}:
            ours = self._ours("omniroute")
            yield "omniroute", ours
            yield "messages", replace(ours, name="messages", asks="messages")
        if "governed" in wanted:
            yield "governed", self._ours("governed")

    def _ours(self, name: str) -> Server:
        return self._on(
            name,
            lambda port: servers.omniroute_command(
                port, self._provider.port, self._folder / name, file=f"{name}.yaml"
            ),
            model=servers.OMNIROUTE_MODEL,
        )

    def _on(self, name: str, command: servers.CommandFor, *, model: str = servers.MODEL) -> Server:
        return self._stack.enter_context(
            servers.started(
                name,
                command,
                model=model,
                core=self._cores.servers,
                log=self._folder / f"{name}.log",
            )
        )


def measure(server: Server, work: Work, *, seconds: float, core: int | None) -> Sample:
    """One bounded run of the load generator against one server."""
    command = [*servers.pinned(core), sys.executable, "-m", "benchmarks.load"]
    command += ["--port", str(server.port), "--model", server.model, "--key", servers.KEY]
    command += ["--asks", server.asks, "--prompt-bytes", str(work.prompt_bytes)]
    command += ["--seconds", str(seconds), "--connections", str(work.connections)]
    cpu_before_s = server.cpu_s()
    reply = subprocess.run(
        [*command, *(["--stream"] if work.stream else [])], check=True, stdout=subprocess.PIPE
    )
    cpu_s = server.cpu_s() - cpu_before_s
    figures = json.loads(reply.stdout)
    if figures["errors"]:
        print(
            f"  {server.name}: {figures['errors']} times {figures['first_error']}", file=sys.stderr
        )
    return Sample(
        requests=figures["requests"],
        per_s=figures["requests"] / figures["seconds"],
        events_per_s=figures["events"] / figures["seconds"],
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
        first_byte_p50_ms=figures["first_byte_p50_ms"],
        cpu_us=cpu_s * 1e6 / max(1, figures["requests"]),
        rss_mib=server.rss_mib(),
        generator_busy=figures["generator_busy"],
        errors=figures["errors"],
    )


def measure_work(
    work: Work, running: list[Server], plan: Plan, core: int | None, sent: Counter[int]
) -> Rounds:
    """All rounds of one work, whose order turns: nobody always follows the same neighbour.

    `sent` counts what was answered, by port.
    """
    for server in running:
        sent[server.port] += measure(server, work, seconds=_WARM_UP_S, core=core).requests
    rounds: dict[str, list[Sample]] = {server.name: [] for server in running}
    for number in range(plan.rounds):
        print(f"round {number + 1} of {work.id}", file=sys.stderr)
        turn = number % len(running)
        for server in running[turn:] + running[:turn]:
            sample = measure(server, work, seconds=plan.seconds, core=core)
            rounds[server.name].append(sample)
            sent[server.port] += sample.requests
    return rounds


def main() -> None:
    plan, cores = parse_plan(), choose_cores()
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        field = Field(stack, plan, cores=cores, folder=folder)
        sent: Counter[int] = Counter()
        found = [
            (work, measure_work(work, running, plan, cores.clients, sent))
            for work in plan.works
            if (running := [one for who, one in field.running.items() if who in work.subjects])
        ]
        facts = field.absent
        if "omniroute" in field.running:
            rows = servers.count_ledger_rows(folder / "omniroute")
            answered = sent[field.running["omniroute"].port]
            facts.append(f"ledger: {rows:,} rows for {answered:,} answered requests")
    starts = measure_starts(core=cores.servers)
    facts = [
        *describe_machine(pinned=cores.servers is not None),
        f"{plan.rounds} interleaved rounds of {plan.seconds:g} s per subject; "
        "the median, in brackets lowest to highest",
        *facts,
    ]
    print(render_report(found, starts, facts=facts), end="")
    samples = [sample for _, rounds in found for each in rounds.values() for sample in each]
    if any(sample.errors for sample in samples):
        sys.exit("some answers were wrong: see the column errors")


if __name__ == "__main__":
    main()
