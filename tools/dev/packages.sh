# The Debian packages that each command of ./dev needs, and how they get onto a machine. Sourced.

# packages_for COMMAND...: one package a line.
packages_for() {
  local base="g++ cmake ninja-build ccache pkg-config libabsl-dev libboost-context-dev libc-ares-dev nlohmann-json3-dev"
  local command
  for command in "$@"; do
    case $command in
      demo) echo "$base libcli11-dev" ;;
      test | planted)
        echo "$base libcli11-dev git python3 libgtest-dev libgmock-dev" \
          "libasio-dev libboost-dev libcurl4-openssl-dev libhiredis-dev redis-server nginx-light faketime" \
          "prometheus-cpp-dev python3-prometheus-client python3-jsonschema"
        ;;
      sanitizers | fuzz) echo "clang-19 libclang-rt-19-dev llvm-19" ;;
      bench) echo "$base python3 libbenchmark-dev libasio-dev" ;;
      lint) echo "$base libcli11-dev git python3 clang-19 clang-tidy-19 clang-format-19" ;;
      coverage) echo "gcovr" ;;
      figures) echo "binutils" ;;
      *)
        echo "dev: no package list for '$command'" >&2
        return 2
        ;;
    esac
  done | tr ' ' '\n'
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need COMMAND...: makes sure that the packages of these commands are there.
need() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null; then
    echo "dev: not a Debian system; trusting that what '$*' needs is installed" >&2
    return 0
  fi
  while read -r package; do
    is_installed "$package" || missing+=("$package")
  done < <(packages_for "$@" | sort -u)
  [ ${#missing[@]} -gt 0 ] || return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "dev: these packages are missing, and installing them takes root or sudo:" >&2
      echo "  apt-get install ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  echo "== installing: ${missing[*]}"
  install_packages "${missing[@]}"
}

# install_packages PACKAGE...: with `as_root` set by need(). A server that only tests start must not
# become a daemon of somebody's machine: while packages are set up, policy-rc.d forbids starting any
# service, and the test servers that were new on the machine are disabled afterwards.
install_packages() {
  local guard=/usr/sbin/policy-rc.d guarded=no
  local log=build/install.log services=build/services.before
  mkdir -p build
  known_services >"$services"
  if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$guard" >/dev/null
    "${as_root[@]}" chmod 755 "$guard"
    guarded=yes
    # shellcheck disable=SC2064
    trap "${as_root[*]} rm -f $guard" EXIT
  fi
  local failed=no
  {
    "${as_root[@]}" apt-get update &&
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "$@"
  } >"$log" 2>&1 </dev/null || failed=yes
  if [ "$guarded" = yes ]; then
    "${as_root[@]}" rm -f "$guard"
    trap - EXIT
  fi
  disable_services_since "$services"
  if [ "$failed" = yes ]; then
    tail -n 30 "$log" >&2
    echo "dev: apt-get could not install: $*" >&2
    exit 1
  fi
}

# The servers that tests start by themselves. Other services that a package brings along are none of
# ours: they stay as the package leaves them.
test_services=(nginx redis-server)

# known_services: which of them have a unit file or an init script, one a line.
known_services() {
  local name
  for name in "${test_services[@]}"; do
    if [ -e "/lib/systemd/system/$name.service" ] || [ -e "/etc/init.d/$name" ]; then
      echo "$name"
    fi
  done | sort
}

# disable_services_since LIST: disables those that are there now and were not in LIST, a file.
disable_services_since() {
  local name
  known_services | comm -13 "$1" - | while read -r name; do
    if [ -d /run/systemd/system ]; then
      "${as_root[@]}" systemctl disable --now "$name" >/dev/null 2>&1 </dev/null || true
    elif command -v systemctl >/dev/null; then
      "${as_root[@]}" systemctl disable "$name" >/dev/null 2>&1 </dev/null || true
    fi
    if [ -e "/etc/init.d/$name" ] && command -v update-rc.d >/dev/null; then
      "${as_root[@]}" update-rc.d "$name" disable >/dev/null 2>&1 </dev/null || true
    fi
    echo "== left disabled: the service $name"
  done
}
