#!/bin/sh
# Has git run what is in this folder, for this clone alone. Leaves hooks that somebody else set up as they are.
set -u
hooks=.githooks
if ! git rev-parse --git-dir >/dev/null 2>&1; then
    echo "This is no git clone, so there is nothing to check before a commit."
    exit 0
fi
used=$(git config core.hooksPath) || used=""
if [ "$used" = "$hooks" ]; then
    exit 0
fi
own=$(git rev-parse --git-path hooks/pre-commit)
if [ -n "$used" ] || [ -e "$own" ]; then
    echo "You have git hooks of your own (${used:-$own}), so none was installed. To check each commit, have your"
    echo "pre-commit hook run: $hooks/pre-commit"
    exit 0
fi
git config --local core.hooksPath "$hooks"
echo "Each commit is now checked by $hooks/pre-commit (ruff and mypy; git commit --no-verify goes past it)."
