"""Patterns: which files they mean, and whose."""

from __future__ import annotations

import glob
import random
from pathlib import Path

import pytest

from watcher.settings.patterns import Pattern


@pytest.mark.parametrize(
    ("text", "above", "user", "fixed", "rest"),
    [
        ("/home/*/.claude/projects/**/*.jsonl", "/home", "*", (".claude", "projects"), ("**", "*.jsonl")),
        ("/home/*/user/sessions/*.jsonl", "/home", "*", ("user", "sessions"), ("*.jsonl",)),
        ("/data/[ab]*/x.jsonl", "/data", "[ab]*", (), ("x.jsonl",)),
        ("/*/log/today.jsonl", "/", "*", ("log",), ("today.jsonl",)),
        ("/srv/a/u-?/b/c-*/d/*.jsonl", "/srv/a", "u-?", ("b",), ("c-*", "d", "*.jsonl")),
    ],
)
def test_the_first_wildcard_is_the_user(
    text: str, above: str, user: str, fixed: tuple[str, ...], rest: tuple[str, ...]
) -> None:
    """What stands before it is the folder of all users, what stands after it is theirs."""
    assert Pattern.parse(text) == Pattern(above, user, fixed, rest)


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "*", "home/*/x.jsonl", "~/*/x.jsonl", "/home/ann/x.jsonl", "/home/*.jsonl", "/home/**/x.jsonl",
        "/home/*/a/**", "/home/*/../x.jsonl", "/home/./*/x.jsonl", "/home/*//x.jsonl", "/home/*/", "/home/*/\0.jsonl",
    ],
)  # fmt: skip
def test_a_pattern_that_names_no_user_is_refused(text: str) -> None:
    """With an example of one that does."""
    with pytest.raises(ValueError, match=r"/home/\*/sessions"):
        Pattern.parse(text)


def test_it_means_what_a_shell_would(tmp_path: Path) -> None:
    """For patterns and trees at random: the same files as the standard library finds, hidden ones left out."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    names = ["a", "b", "ab", ".a", "a.jsonl", ".b.jsonl", "x[1].jsonl", "-c"]
    for at in range(150):
        depth = rng.randrange(1, 5)
        path = tmp_path.joinpath(*(f"{rng.choice(names)}{'' if n == depth - 1 else '.d'}" for n in range(depth)))
        if at % 3 or not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files = [one.relative_to(tmp_path) for one in tmp_path.rglob("*") if one.is_file()]
    for _ in range(300):
        parts = [rng.choice(["*", "**", "a*.d", ".a.d", "?.d", "[ab].d"]) for _ in range(rng.randrange(0, 4))]
        parts.append(rng.choice(["*", "*.jsonl", "a*", ".*", "[!a]*", "x[[]1].jsonl", "a.jsonl"]))
        pattern = Pattern("", "*", (), tuple(parts))
        found = glob.glob("/".join(parts), root_dir=tmp_path, recursive=True)
        wanted = {Path(one) for one in found if (tmp_path / one).is_file()}
        assert {one for one in files if pattern.means(one.parts)} == wanted, f"seed {seed}: {parts}"
