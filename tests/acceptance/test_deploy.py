"""The files for those who run it as a service: what they name exists, and what they promise is so.

No image is built here (that needs a container engine and a network); its steps are held to the tree one by one.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

from tests.support import ROOT
from tests.support.processes import Place
from watcher.settings import load

DEPLOY = ROOT / "deploy"
#: The instructions that are understood here.
KNOWN = {"FROM", "WORKDIR", "RUN", "COPY", "ARG", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}
KNOWN |= {"ENTRYPOINT", "CMD"}
#: What the base image has.
BASE = {"python", "groupadd", "useradd", "install"}


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the container file with its text, long ones in one piece."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions by stage."""
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def test_the_container_files_steps_can_be_made(tmp_path: Path) -> None:
    """Pinned bases, files that are there, commands that exist, and a package that is whole with just those files."""
    assert {name for name, _ in instructions()} <= KNOWN
    for name, text in instructions():
        if name == "FROM":
            image, _, tag = text.split()[0].partition(":")
            assert image == "python" and re.fullmatch(r"3\.1[1-9]-slim-\w+", tag), "a base by its tag"
        if name == "RUN":
            for part in text.split("&&"):
                command = shlex.split(part)[0]
                assert command in BASE or command == "/opt/session-watcher/bin/pip", command
    build = stages()[0]
    for name, text in build:
        if name == "COPY":
            *sources, target = text.split()
            for source in sources:
                assert (ROOT / source).exists(), source
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, tmp_path / "src" / target)
                else:
                    (tmp_path / "src").mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, tmp_path / "src")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, "."],
        cwd=tmp_path / "src",
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    for top in ("watcher", "processors"):
        for path in (ROOT / top).rglob("*"):
            if path.suffix in (".py", ".sql"):
                assert str(path.relative_to(ROOT)) in packed, path


def test_the_container_runs_as_somebody_without_rights() -> None:
    """Its user is made before it is used, owns what is written, and nothing comes after that needs root."""
    last = stages()[-1]
    names = [name for name, _ in last]
    (made,) = [text for name, text in last if name == "RUN"]
    (user,) = [text for name, text in last if name == "USER"]
    assert user != "root" and re.search(rf"useradd --non-unique --uid \"\$UID\" .* {user} ", made)
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])
    settings = load(None, {}, {}).settings
    for folder in (settings.paths.state, settings.paths.sessions):
        assert str(folder) in made, "the folders of the default settings"
    assert [text for name, text in last if name == "VOLUME"] == [json.dumps([str(settings.paths.state)])]
    assert [text for name, text in last if name == "EXPOSE"] == [str(settings.http.port)]
    assert ("ENTRYPOINT", '["session-watcher"]') in last and ("CMD", '["run"]') in last
    assert ("STOPSIGNAL", "SIGTERM") in last


def test_the_health_check_of_the_container_tells_the_truth(tmp_path: Path) -> None:
    """It is run as it stands there: well while the service is, and not when nobody answers."""
    (text,) = [text for name, text in instructions() if name == "HEALTHCHECK"]
    python, *words = json.loads(text.partition("CMD ")[2])
    (tmp_path / "sessions").mkdir()
    place = Place(tmp_path / "sessions", tmp_path / "state")
    running = place.start()
    try:
        asked = f"{place._url()}/api/health"
        here = [word.replace("http://127.0.0.1:8750/api/health", asked) for word in words]
        assert python == "python" and here != words
        assert subprocess.run([sys.executable, *here], check=False).returncode == 0
        assert running.stop() == 0
        assert subprocess.run([sys.executable, *here], capture_output=True, check=False).returncode == 1
    finally:
        running.kill()


def test_compose_names_what_there_is() -> None:
    """The container file, its folders, settings that the program knows; no rights beyond its own, time to end."""
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = compose["services"].values()
    context = DEPLOY / service["build"]["context"]
    assert (context / service["build"]["dockerfile"]).resolve() == DEPLOY / "Containerfile"
    settings = load(None, service["environment"], {}).settings
    targets = {volume.rsplit(":", 1)[1] for volume in service["volumes"]}
    assert targets == {str(settings.paths.sessions), str(settings.paths.state)}
    named = {volume.split(":")[0] for volume in service["volumes"]} - {"${SESSIONS"}
    assert named == set(compose["volumes"])
    assert service["cap_drop"] == ["ALL"] and service["read_only"] is True
    assert float(service["stop_grace_period"].removesuffix("s")) > settings.service.stop_timeout + 5


def unit() -> dict[str, list[str]]:
    """The unit file's keys with everything that is said of them."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "session-watcher.service").read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_agrees_with_the_program() -> None:
    """Times that leave room for an orderly end, a state folder that is the program's, a command that it knows."""
    told = unit()
    settings = load(None, dict([told["Environment"][0].split("=", 1)]), {}).settings
    assert str(settings.paths.state) == f"/var/lib/{told['StateDirectory'][0]}"
    assert str(settings.paths.sessions) == told["ReadWritePaths"][0].removeprefix("-")
    assert told["Type"] == ["notify"] and told["NotifyAccess"] == ["main"]
    assert float(told["TimeoutStopSec"][0].removesuffix("s")) > settings.service.stop_timeout + 5
    program, *words = told["ExecStart"][0].split()
    assert program.endswith("/bin/session-watcher") and words[:2] == ["run", "--settings"]
    assert "User" in told and told["User"] != ["root"] and told["CapabilityBoundingSet"] == [""]
    assert "MemoryDenyWriteExecute" not in told, "no chart could be drawn"
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for path in (program, words[2], str(settings.paths.state), told["EnvironmentFile"][0].removeprefix("-")):
        assert path in guide, f"the guide does not say where {path} comes from"
