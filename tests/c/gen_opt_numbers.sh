#!/bin/sh
# Writes a C file that compiles if the numbers in the option rows are those of the headers. usage: gen_opt_numbers.sh FILE
set -eu

cat <<'C'
/* Generated from esock_opt.def. */
#define _GNU_SOURCE 1
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#if !defined(__alpha__) && !defined(__mips__) && !defined(__hppa__) && !defined(__sparc__)
C
awk -F', *' '
/^ESOCK_OPT\(/ {
    if (NF != 11 || $11 != "") bad("a row is eleven fields on two lines")
    check($3, $4); check($5, $6); rows++
    getline
    if ($0 !~ /^ +".*"\)$/) bad("the second line of a row is its text")
}
function check(name, number) {
    printf "#ifdef %s\n_Static_assert(%s == %s, \"%s\");\n#endif\n", name, name, number, name
}
function bad(why) { printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"; failed = 1; exit 1 }
END { if (!failed && rows == 0) { print "no rows" > "/dev/stderr"; exit 1 } }
' "$1"
cat <<'C'
#endif
C
