"""``run``: the service in the foreground, until a signal ends it."""

from __future__ import annotations

import os

from watcher.cli.signals import Stop
from watcher.cli.systemd import Supervisor
from watcher.daemon import LiveService
from watcher.errors import SettingsError
from watcher.http.app import build
from watcher.http.facts import tell
from watcher.http.local_token import token_of
from watcher.http.serve import Server, bind, must_be_safe, url_of
from watcher.logs import Log
from watcher.malloc import one_heap
from watcher.settings import Loaded
from watcher.settings.follow import SettingsFile
from watcher.store.lock import Holder

log = Log()


def run(loaded: Loaded, file: SettingsFile) -> int:
    """Run the service; 0 after an orderly end."""
    one_heap()
    stop = Stop()
    supervisor = Supervisor(os.environ)
    settings = loaded.settings
    if settings.http.enabled:
        must_be_safe(settings.http.host, settings.http.token)
    service = LiveService(loaded, file)
    tell(service)
    server: Server | None = None
    url = None
    if settings.http.enabled:
        try:
            token = token_of(settings.paths.state, settings.http.token)
            listener = bind(settings.http.host, settings.http.port)
        except SettingsError:
            service.core.stop()
            raise
        url = url_of(listener)
        server = Server(build(service, token), listener)
    if not settings.paths.sessions.is_dir():
        log.warning("sessions_folder_missing", sessions=str(settings.paths.sessions))
    service.start()
    if server is not None:
        server.start()
    service.core.lock.describe(Holder(os.getpid(), "run", url))
    log.info(
        "running",
        sessions=str(service.core.tree.root),
        state=str(settings.paths.state),
        api=url,
        processors=list(service.core.pipelines),
    )
    supervisor.watch(service, stop)
    log.info("stopping", within=settings.service.stop_timeout)
    if server is not None:
        server.stop(2.0)
    in_time = service.stop()
    log.info("stopped", in_time=in_time)
    return 0  # a thread that hangs does not hold up the end; everything committed is safe
