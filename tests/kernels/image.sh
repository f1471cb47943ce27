#!/usr/bin/env bash
# For build/kernels: builds the tests, and the initial file system in which they run.
# usage: image.sh DIR ARCH PROGRAMS SUITE...
# DIR then has tests.cpio. Where ARCH, in Debian's spelling, is another processor than this one, the tests are built by its
# cross compiler, and the folder PROGRAMS has what else there must be: fetch.sh makes it.
set -euo pipefail

image() {
    local dir=$1 arch=$2 programs=$3 root=$1/root suite
    shift 3
    rm -rf "$root"
    mkdir -p "$root"/{bin,sbin,etc,root,suite,esock,proc,sys,dev,tmp,run,var,lib,lib64,usr}
    ln -s ../run "$root/var/run"
    ln -s ../bin ../sbin "$root/usr/"
    tar -c --exclude=./.git --exclude=./build/out . | tar -x -C "$root/esock"
    : >"$root/suites"
    target "$arch"
    for suite in "$@"; do
        "suite_$suite" "$root"
    done
    CGO_ENABLED=0 go build -o "$root/init" ./tests/kernels/guest
    CGO_ENABLED=0 go build -o "$root/bin/test2json" cmd/test2json
    cp tests/kernels/modules "$root/"
    if [[ -n $cross ]]; then
        cp -a "$programs/root/." "$root/"
    else
        programs "$root"
    fi
    ln -s ../bin/busybox "$root/sbin/modprobe"
    ln -s "$([[ -f $root/bin/dash ]] && echo dash || echo bash)" "$root/bin/sh"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
    cp /etc/protocols /etc/services "$root/etc/" 2>/dev/null || true # the tests do without
    (cd "$root" && find . -mindepth 1 | cpio -o -H newc -R +0:+0 --quiet) >"$dir/tests.cpio"
    rm -rf "$root" # the copy of the tree is none for tools that walk this one
}

# target ARCH: sets the compilers. A cross compiler's libraries are not in the guest, so its programs are linked statically.
# Go looks up names itself there, because glibc's way needs libraries even then.
target() {
    cross='' preset=default fuzz=fuzz go_flags=(-ldflags=-w)
    [[ $1 != "$(go env GOHOSTARCH)" ]] || return 0
    cross=1 preset=$1 fuzz=fuzz-$1 go_flags=(-tags 'netgo osusergo' -ldflags '-w -linkmode external -extldflags -static')
    export GOARCH=$1 CGO_ENABLED=1 CC=aarch64-linux-gnu-gcc
}

# programs ROOT: those that tests call, and the libraries of all programs.
programs() {
    local root=$1 program file
    cp "$(command -v busybox)" "$root/bin/busybox"
    # Debian's busybox as a shell would take its own ip for that of iproute2.
    for program in ip tc bash dash setpriv; do
        if file=$(PATH=$PATH:/usr/sbin:/sbin command -v "$program"); then
            cp -L "$file" "$root/bin/"
        fi
    done
    # ldd fails for those without libraries.
    { find "$root/bin" "$root/suite" -type f -exec ldd {} + 2>/dev/null || true; } | grep -oE '/[^ ]+\.so[^ ]*' | sort -u |
        while read -r file; do
            mkdir -p "$root/$(dirname "$file")"
            cp -L "$file" "$root/$file"
        done
}

# go_suite ROOT NAME PACKAGE
go_suite() {
    go test -c "${go_flags[@]}" -o "$1/suite/$2.test" "$3"
    echo "$2 go /esock/$3 /suite/$2.test" >>"$1/suites"
}

suite_esock() { go_suite "$1" esock .; }
suite_command() { go_suite "$1" command ./cmd/esock; }
suite_tests() { go_suite "$1" tests ./tests; }
suite_engine() { go_suite "$1" engine ./engine; }
suite_datagram() { go_suite "$1" datagram ./datagram; }
suite_sctp() { go_suite "$1" sctp ./sctp; }
suite_gentcp() { go_suite "$1" gentcp ./gentcp; }
suite_hackney() { go_suite "$1" hackney ./hackney; }
suite_netconn() { go_suite "$1" netconn ./netconn; }
suite_netdevice() { go_suite "$1" netdevice ./netdevice; }
suite_packet() { go_suite "$1" packet ./packet; }
suite_sockopt() { go_suite "$1" sockopt ./sockopt; }
suite_supports() { go_suite "$1" supports ./supports; }

# The programs of ctest, each a part of one suite.
suite_c() {
    local program
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" >/dev/null
    for program in "build/out/$preset"/*_test; do
        cp "$program" "$1/suite/"
        echo "c c /esock /suite/$(basename "$program")" >>"$1/suites"
    done
}

# Every input of every corpus once more.
suite_fuzz() {
    local program target
    cmake --preset "$fuzz" >/dev/null
    cmake --build --preset "$fuzz" >/dev/null
    for program in "build/out/$fuzz"/*_fuzz; do
        target=$(basename "$program" _fuzz)
        cp "$program" "$1/suite/"
        echo "fuzz corpus /esock/tests/fuzz/corpus/$target /suite/${target}_fuzz" >>"$1/suites"
    done
}

image "$@"
