"""Show that a feature can be left out: take its folder from a copy of this repository, and test what is left.

`python tools/without.py talk play` runs the bot's tests in the copy; they start the bot in the playground. `--tests`
names others.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
REMOVABLE = ("play", "talk")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="+", choices=REMOVABLE, help="folders of bot/ to leave out")
    parser.add_argument("--tests", nargs="+", default=["tests/bot"], help="what to run in the copy")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="galvanic-without-") as folder:
        copy = Path(folder)
        copy_repository(copy)
        for feature in options.features:
            remove(copy, feature)
        return subprocess.run([sys.executable, "-m", "pytest", "-q", *options.tests], cwd=copy, check=False).returncode


def copy_repository(to: Path) -> None:
    """Copy the files that git knows, as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def remove(copy: Path, feature: str) -> None:
    """Remove a feature's folder, its tests in `tests/bot`, its rows on the usage pages, and its lines in the list."""
    source = "".join(path.read_text("utf-8") for path in (copy / "bot" / feature).glob("*.py"))
    commands = "|".join(re.findall(r'@hybrid_command\(\s*f?"([\w-]+)', source))
    for page in (copy / "docs/usage").glob("*.md"):
        drop_lines(page, rf"^\| `!({commands})\b")
    shutil.rmtree(copy / "bot" / feature)
    shutil.rmtree(copy / "tests/bot" / feature)
    dropped = drop_lines(copy / "bot/features.py", rf"\bbot\.{feature}\.feature\b")
    print(f"Removed bot/{feature} ({commands.replace('|', ', ')}) and {dropped} lines of bot/features.py.", flush=True)


def drop_lines(path: Path, pattern: str) -> int:
    """Drop the lines of a file that match, and return how many these were."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not re.search(pattern, line)]
    path.write_text("".join(kept), "utf-8")
    return len(lines) - len(kept)


if __name__ == "__main__":
    sys.exit(main())
