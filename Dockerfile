# syntax=docker/dockerfile:1
# Two stages: the first builds the wheel and an environment, the second holds only that environment.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# The dependencies come first: they change less often than the sources, so their layer is kept.
COPY requirements/serve.txt requirements/serve.txt
RUN python -m venv /opt/omniroute \
    && /opt/omniroute/bin/pip install --no-deps --require-hashes -r requirements/serve.txt
COPY pyproject.toml README.md LICENSE ./
COPY omniroute omniroute
COPY translators translators
COPY schemas schemas
RUN pip wheel --no-deps --wheel-dir dist . \
    && /opt/omniroute/bin/pip install --no-deps dist/*.whl \
    && /opt/omniroute/bin/python -m compileall -q /opt/omniroute/lib \
    && /opt/omniroute/bin/omniroute formats >/dev/null

FROM python:${PYTHON}-slim
RUN groupadd --system --gid 10001 omniroute \
    && useradd --system --uid 10001 --gid omniroute --home-dir /data --shell /usr/sbin/nologin omniroute \
    && install -d -o omniroute -g omniroute -m 0700 /data \
    && install -d /config
COPY --from=build /opt/omniroute /opt/omniroute
ENV PATH=/opt/omniroute/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMNIROUTE_CONFIG=/config/omniroute.yaml
WORKDIR /config
USER 10001:10001
# Everything that is written lies here, so the rest of the file system may be read-only.
VOLUME /data
EXPOSE 20128
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:20128/healthz', timeout=2)"]
ENTRYPOINT ["omniroute"]
CMD ["serve", "--host", "0.0.0.0", "--data-dir", "/data"]
