"""``python -m watcher``: the same as ``session-watcher``."""

from watcher.cli.app import main

if __name__ == "__main__":
    main()
