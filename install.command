#!/bin/sh
# Double-click it on a Mac: install.py, with whatever Python is here, in a window that stays open.
cd "$(dirname "$0")" || exit 1

# Apple's own /usr/bin/python3 is only an offer to install a gigabyte of developers' tools, where these aren't there.
usable() {
    case "$1" in /*) [ -x "$1" ] || return 1 ;; esac
    found=$(command -v "$1") || return 1
    if [ "$found" = /usr/bin/python3 ] && command -v xcode-select >/dev/null && ! xcode-select -p >/dev/null 2>&1; then
        return 1
    fi
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

python=
for candidate in \
    python3.14 python3.13 python3.12 python3.11 python3.10 \
    /Library/Frameworks/Python.framework/Versions/Current/bin/python3 \
    /opt/homebrew/bin/python3 /usr/local/bin/python3 python3; do
    if usable "$candidate"; then
        python=$candidate
        break
    fi
done

if [ -n "$python" ]; then
    "$python" install.py "$@"
    code=$?
else
    echo "CVMatte needs Python 3.10 or newer, and OBS needs 3.12 or older:"
    echo "install Python 3.12 from https://www.python.org/downloads/macos/, then double-click this again."
    code=1
fi

if [ -t 0 ]; then
    printf '\nPress Enter to close this. '
    read -r _
fi
exit "$code"
