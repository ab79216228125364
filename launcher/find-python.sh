#!/bin/sh
# Prints the command of a Python that can run Galvanic, or says on standard error what to install.
# A command given as the argument (make PYTHON=...) is the only one tried.
set -u

suits() {
    # A shim of pyenv's exists for versions that are not there: only running it tells.
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1
}
can_make_environments() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}
version_of() {
    "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null
}

seen=""
without_venv=""
for candidate in ${1:-python3.13 python3.12 python3.11 python3 python}; do
    if suits "$candidate"; then
        if can_make_environments "$candidate"; then
            printf '%s\n' "$candidate"
            exit 0
        fi
        without_venv="${without_venv:-$candidate}"
    else
        version=$(version_of "$candidate") && seen="$seen $candidate is $version;"
    fi
done

exec >&2
if [ -n "$without_venv" ]; then
    package="$without_venv-venv"
    case "$package" in python-venv) package=python3-venv ;; esac
    echo "error: $without_venv cannot make virtual environments: its modules venv and ensurepip are missing."
    echo "On Debian or Ubuntu: sudo apt install $(basename "$package")"
    exit 1
fi
echo "error: Galvanic needs Python 3.11, 3.12 or 3.13, and none was found.${seen:+ (}${seen# }${seen:+)}"
case "$(uname -s)" in
Darwin) echo "Install one with: brew install python@3.13   (or the installer from python.org)" ;;
*) echo "On Debian 12 or 13, or Ubuntu 24.04: sudo apt install python3 python3-venv. Elsewhere: uv python install 3.13" ;;
esac
echo "Then run make again, or name one: make run PYTHON=/path/to/python3.12"
exit 1
