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
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import servers
from benchmarks.report import Sample, describe_machine, render_report
from benchmarks.servers import Server

SUBJECTS = ("direct", "sanic", "nginx", "omniroute")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how hard; `seconds` is one subject's share of one round."""

    rounds: int
    seconds: float
    connections: int
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Where processes are kept; None where the machine does not allow it."""

    servers: int | None = None
    clients: int | None = None


def parse_plan() -> Plan:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds: does it work?")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="per subject and round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", default=",".join(SUBJECTS), help="subjects, split by commas")
    options = parser.parse_args()
    return Plan(
        rounds=2 if options.quick else options.rounds,
        seconds=0.6 if options.quick else options.seconds,
        connections=options.connections,
        subjects=tuple(options.only.split(",")),
    )


def choose_cores() -> Cores:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or shutil.which("taskset") is None:
        return Cores()
    return Cores(servers=cores[0], clients=cores[1])


def start_subjects(
    stack: ExitStack, plan: Plan, *, cores: Cores, folder: Path
) -> tuple[list[Server], list[str]]:
    """Start the provider and what stands in front of it; also says who is absent."""
    provider = stack.enter_context(
        servers.started(
            "direct",
            servers.upstream_command,
            core=cores.clients,
            log=folder / "provider.log",
        )
    )
    running, absent = [provider], list[str]()
    for name in plan.subjects:
        match name:
            case "direct":
                continue
            case "sanic":
                subject = servers.started(
                    name, servers.sanic_command, core=cores.servers, log=folder / "sanic.log"
                )
            case "nginx" if servers.find_nginx() is None:
                absent.append("nginx: absent on this machine")
                continue
            case "nginx":
                subject = servers.started(
                    name,
                    lambda port: servers.nginx_command(port, provider.port, folder / "nginx"),
                    core=cores.servers,
                    log=folder / "nginx.log",
                )
            case "omniroute":
                subject = servers.started(
                    name,
                    lambda port: servers.omniroute_command(port, provider.port, folder / "omni"),
                    model=servers.OMNIROUTE_MODEL,
                    core=cores.servers,
                    log=folder / "omniroute.log",
                )
            case _:
                raise SystemExit(f"unknown subject {name}; there are {', '.join(SUBJECTS)}")
        running.append(stack.enter_context(subject))
    return [server for server in running if server.name in plan.subjects], absent


def measure(server: Server, plan: Plan, *, stream: bool, core: int | None) -> Sample:
    """One bounded run of the load generator against one server."""
    command = [*servers.pinned(core), sys.executable, "-m", "benchmarks.load"]
    command += ["--port", str(server.port), "--model", server.model, "--key", servers.KEY]
    command += ["--seconds", str(plan.seconds), "--connections", str(plan.connections)]
    cpu_before_s = server.cpu_s()
    reply = subprocess.run(
        [*command, *(["--stream"] if stream else [])], check=True, stdout=subprocess.PIPE
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


def main() -> None:
    plan, cores = parse_plan(), choose_cores()
    warm_up = Plan(rounds=1, seconds=0.5, connections=plan.connections, subjects=plan.subjects)
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as folder, ExitStack() as stack:
        running, facts = start_subjects(stack, plan, cores=cores, folder=Path(folder))
        rounds: dict[bool, dict[str, list[Sample]]] = {
            stream: {server.name: [] for server in running} for stream in (False, True)
        }
        sent = 0
        for stream in (False, True):
            for server in running:
                sample = measure(server, warm_up, stream=stream, core=cores.clients)
                sent += sample.requests if server.name == "omniroute" else 0
            for number in range(plan.rounds):
                print(f"round {number + 1}, stream={stream}", file=sys.stderr)
                # The order turns, so that nobody always follows the same neighbour.
                turn = number % len(running)
                for server in running[turn:] + running[:turn]:
                    sample = measure(server, plan, stream=stream, core=cores.clients)
                    rounds[stream][server.name].append(sample)
                    sent += sample.requests if server.name == "omniroute" else 0
        if "omniroute" in plan.subjects:
            rows = servers.count_ledger_rows(Path(folder) / "omni")
            facts.append(f"ledger: {rows:,} rows for {sent:,} answered requests")
    facts = [
        *describe_machine(pinned=cores.servers is not None),
        f"{plan.rounds} interleaved rounds of {plan.seconds:g} s per subject, "
        f"{plan.connections} connections; the median, in brackets lowest to highest",
        *facts,
    ]
    print(render_report(rounds[False], rounds[True], facts=facts), end="")
    if any(sample.errors for each in rounds.values() for row in each.values() for sample in row):
        sys.exit("some answers were wrong: see the column errors")


if __name__ == "__main__":
    main()
