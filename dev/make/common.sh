# shellcheck shell=bash
# What the scripts behind the Makefile share: steps with their time, and tools that are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The caller's own settings of the CLIs stay out of it.
unset "${!TF_@}" "${!KUBE_@}"
# No program asks home for a newer version of itself.
export CHECKPOINT_DISABLE=1
# The CLIs are driven by a script: no hints at what to type next.
export TF_IN_AUTOMATION=1

cache="${REDIS_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/terraform-provider-redis}"
# shellcheck disable=SC2034 # for the scripts that source this
target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$cache"

# step WHAT COMMAND…: says what is being done and, when done, for how long. REDIS_STEPS names a file that collects the
# times, for .ci/run.
step() {
  local what="$1" begun=$SECONDS code=0
  shift
  printf '== %s …\n' "$what"
  "$@" || code=$?
  local took=$((SECONDS - begun))
  if [ "$code" = 0 ]; then
    printf '== %s: done in %d:%02d\n' "$what" $((took / 60)) $((took % 60))
  else
    printf '== %s: FAILED after %d:%02d\n' "$what" $((took / 60)) $((took % 60)) >&2
  fi
  if [ -n "${REDIS_STEPS:-}" ]; then
    printf '%4d:%02d  %s\n' $((took / 60)) $((took % 60)) "$what" >>"$REDIS_STEPS"
  fi
  return "$code"
}

note() { printf -- '-- %s\n' "$*"; }

lacks() {
  printf 'error: %s\n  what to do: %s\n' "$1" "$2" >&2
  exit 1
}

# apt_need PROGRAM PACKAGE: installs the package when root, else says how.
apt_need() {
  if command -v "$1" >/dev/null; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    step "installing $2" apt_install "$2"
  fi
  command -v "$1" >/dev/null || lacks "$1 is missing" "as root: apt-get update && apt-get install -y $2"
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends "$1" >"$cache/apt.log" 2>&1 && return
  { apt-get update && apt-get install -y --no-install-recommends "$1"; } >"$cache/apt.log" 2>&1 ||
    note "apt-get failed; its log: $cache/apt.log"
}

# The compiler that rust-toolchain.toml names, with its parts; a C compiler, because aws-lc is written in C.
need_rust() {
  local channel
  channel="$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)"
  command -v cargo >/dev/null || lacks "cargo is missing" "install Rust by rustup (rustup.rs), then: rustup toolchain install $channel"
  if ! { cargo --version && cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
    command -v rustup >/dev/null || lacks "Rust $channel with rustfmt and clippy is missing" "install it by rustup (rustup.rs)"
    step "installing Rust $channel" rustup toolchain install "$channel" --profile minimal --component clippy,rustfmt ||
      lacks "Rust $channel could not be installed" "rustup toolchain install $channel --component clippy,rustfmt"
  fi
  apt_need cc gcc
}

need_python() {
  apt_need python3 python3
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || lacks "python3 is older than 3.9" "install Python 3.9 or newer"
}

# remove_folder FOLDER: what somebody has mounted in it is theirs, and rm would empty it.
remove_folder() {
  local point
  while read -r _ _ _ _ point _; do
    point="$(printf '%b' "$point")" # a blank stands there as \040
    case "$point" in
      "$1" | "$1"/*) lacks "$1 is to be removed, but $point is mounted" "umount it, then try again" ;;
    esac
  done </proc/self/mountinfo
  rm -rf -- "$1"
}

# Prints the path of a tool of dev/tool, which builds it into the cache when it is missing.
tool() {
  need_python >&2
  dev/tool "$1" || lacks "$1 could not be had" "read what is written above"
}

# A CLI configuration that takes the provider from folder $1; its path is $2.
dev_overrides() {
  cat >"$2" <<EOF
provider_installation {
  dev_overrides {
    "redis-k8s/redis" = "$1"
  }
  direct {}
}
EOF
}
