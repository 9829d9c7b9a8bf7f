#!/bin/sh
# Installs the named Debian packages. Ends with 1, and says what to do, where it cannot.
# A service that a package brings along (nginx) is not started now and not at boot: only its program is wanted.
set -eu
if ! command -v apt-get >/dev/null; then
    echo "missing, and there is no apt-get to install it with: $*" >&2
    exit 1
fi
root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "missing; as root: apt-get install $*" >&2
        exit 1
    fi
    root=sudo
    [ -t 0 ] || root="sudo -n"
fi
echo "apt-get installs: $*"

policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
    $root chmod 755 $policy
    made_policy=yes
fi
clean_up() { [ -z "$made_policy" ] || $root rm -f $policy; }
trap clean_up EXIT

quietly() { log=$("$@" 2>&1) || { echo "$log" >&2; return 1; }; }
export DEBIAN_FRONTEND=noninteractive
install="apt-get install -y -q --no-install-recommends"
# The package lists may be missing or stale: a second try with fresh ones.
quietly $root $install "$@" 2>/dev/null || { quietly $root apt-get update -q && quietly $root $install "$@"; }
case " $* " in
*" nginx-light "*) if command -v systemctl >/dev/null; then $root systemctl -q disable nginx 2>/dev/null || true; fi ;;
esac
