"""TLS contexts from the configuration's `tls` options."""

from __future__ import annotations

import ssl

import certifi

from omniroute.config.model import Tls
from omniroute.errors import UpstreamConnectError


def build_context(tls: Tls) -> ssl.SSLContext:
    """Reads certificate files, so call it off the loop; takes some ten milliseconds.

    `ca_file` is trusted besides the system's roots (certifi's where the system has none). Raises
    UpstreamConnectError naming the option whose file cannot be used.
    """
    paths = ssl.get_default_verify_paths()
    bundled = None if paths.cafile or paths.capath else certifi.where()
    context = ssl.create_default_context(cafile=bundled)
    if bundled is not None:
        context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    if tls.ca_file is not None:
        try:
            context.load_verify_locations(tls.ca_file)
        except OSError as error:  # SSLError is one: the file is there but holds no certificate
            raise UpstreamConnectError(f"tls.ca_file cannot be used: {_why(error)}") from error
    if tls.cert_file is not None:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        except OSError as error:
            raise UpstreamConnectError(f"tls.cert_file cannot be used: {_why(error)}") from error
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not in PEM form"
    return error.strerror or type(error).__name__
