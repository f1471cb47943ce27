#!/usr/bin/env bash
# The install tree serves a program that knows nothing of this repository: through pkg-config, linked with the shared
# and with the static library, and through find_package.
#   tests/install.sh BUILD_DIR CC CMAKE
set -euo pipefail

example=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/examples/c-echo/echo.c

build=$1 cc=$2 cmake=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
prefix=$tmp/prefix

"$cmake" --install "$build" --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name esock.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=${pc%/*}

mkdir "$tmp/consumer"
cd "$tmp/consumer"
cat >main.c <<'C'
#include <esock.h>
#include <esock_sys.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    esock *s;
    if (esock_open(&s, AF_INET, SOCK_STREAM, 0, esock_sys_libc()) < 0) return 1;
    if (esock_close(s, 0, NULL, NULL) < 0) return 1;
    puts(esock_version());
    return strcmp(esock_version(), ESOCK_VERSION);
}
C
cat >sim.c <<'C'
#include <esock_sim.h>

int main(void)
{
    esock_sim *sim;
    esock *s;
    if (esock_sim_new(&sim, 1) < 0) return 1;
    if (esock_open(&s, AF_INET, SOCK_STREAM, 0, esock_sim_host(sim, "10.0.0.1")) < 0) return 1;
    if (esock_close(s, 0, NULL, NULL) < 0) return 1;
    return esock_sim_free(sim);
}
C
cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(esock REQUIRED)
find_package(esock REQUIRED) # once more does no harm
foreach(kind static shared esock)
    add_executable(${kind} main.c)
    target_link_libraries(${kind} esock::${kind})
endforeach()
foreach(kind sim_static sim_shared)
    add_executable(${kind} sim.c)
    target_link_libraries(${kind} esock::${kind})
endforeach()
CMAKE

read -ra flags <<<"$(pkg-config --cflags --libs esock)"
"$cc" -std=c11 -Wall -Wextra -Werror -D_GNU_SOURCE main.c -o shared "${flags[@]}"
version=$(LD_LIBRARY_PATH=$lib ./shared)
[[ $version == "$(pkg-config --modversion esock)" ]]

read -ra flags <<<"$(pkg-config --cflags esock)"
"$cc" main.c -o static "${flags[@]}" "$lib/libesock.a" -pthread
./static >/dev/null
"$cc" -D_GNU_SOURCE "${flags[@]}" sim.c -o sim "$lib/libesock-sim.a" "$lib/libesock.a" -pthread
./sim

# The example of a queue serves several connections, one of which goes without reading.
"$cc" -std=c11 -Wall -Wextra -Werror -D_GNU_SOURCE "$example" -o echo "${flags[@]}" "$lib/libesock.a" -pthread
mkfifo port
./echo >port 2>echo.err &
server=$!
trap 'cat echo.err' ERR
read -r port <port
for round in 1 2 3; do
    exec 3<>"/dev/tcp/127.0.0.1/$port" 4<>"/dev/tcp/127.0.0.1/$port" 5<>"/dev/tcp/127.0.0.1/$port"
    head -c 100000 /dev/zero >&5
    exec 5>&-
    echo "first $round" >&3
    echo "second $round" >&4
    read -r -t 30 -u 3 first
    read -r -t 30 -u 4 second
    [[ $first == "first $round" && $second == "second $round" ]]
done
exec 3>&- 4>&-
kill "$server"
wait "$server" || true
trap - ERR

# A shared library has a soname and shows the public names, not those that are shared inside.
[[ $(readlink "$lib/libesock.so") == libesock.so.* ]]
readelf -d "$lib/libesock.so" | grep -q 'SONAME.*libesock\.so\.'
names=$(nm -D --defined-only "$lib/libesock.so" | awk '{ print $3 }')
if grep -v '^esock_[^_]' <<<"$names"; then
    echo 'the shared library shows the names above'
    exit 1
fi

"$cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" -B out >/dev/null
"$cmake" --build out >/dev/null
out/static >/dev/null
out/shared >/dev/null
out/esock >/dev/null
out/sim_static
out/sim_shared
if readelf -d out/esock | grep -q libesock; then
    echo 'esock::esock is not the static library'
    exit 1
fi
"$cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" -DBUILD_SHARED_LIBS=ON -B out >/dev/null
"$cmake" --build out >/dev/null
readelf -d out/esock | grep -q libesock
echo "installed, linked and ran: $version"
