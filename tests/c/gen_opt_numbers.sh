#!/bin/sh
# Writes a C file that compiles if the numbers in the option rows, and the layouts of the structures, are those of the
# headers. usage: gen_opt_numbers.sh DEF FILE
set -eu

def=$1
structs=${def%.def}_struct.def

cat <<'C'
/* Generated from esock_opt.def and esock_opt_struct.def. */
#define _GNU_SOURCE 1
#include "esock.h"
#include <netinet/in.h>
#include <netinet/icmp6.h>
#include <stddef.h>
#include <sys/socket.h>
C
headers='linux/errqueue.h linux/icmp.h linux/if_packet.h linux/in6.h linux/mptcp.h linux/net_tstamp.h linux/netlink.h
linux/can/raw.h linux/tipc.h linux/if_alg.h linux/if_xdp.h
linux/sctp.h linux/tcp.h linux/tls.h linux/udp.h linux/vm_sockets.h'
for h in $headers; do
    printf '#if __has_include(<%s>)\n#include <%s>\n#endif\n' "$h" "$h"
done
echo '#if !defined(__alpha__) && !defined(__mips__) && !defined(__hppa__) && !defined(__sparc__)'
awk -F', *' '
/^ESOCK_LEVEL\(/ { sub(/\)$/, "", $3); check($2, $3) }
/^ESOCK_OPT\(/ {
    check($3, $4); rows++
    getline
    if ($0 !~ /^ +".*"\)$/) bad("the second line of a row is its text")
}
function check(name, number) {
    # Some headers make the constant an expression of the size of a time.
    printf "#ifdef %s\n_Static_assert(%s == %s, \"%s\");\n#endif\n", name, name, number, name
}
function bad(why) { printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"; failed = 1; exit 1 }
END { if (!failed && rows == 0) { print "no rows" > "/dev/stderr"; exit 1 } }
' "$def"
echo '#endif'

# A header may be older than a structure: only members that it mentions are compared.
known=$(for h in $headers; do printf '#if __has_include(<%s>)\n#include <%s>\n#endif\n' "$h" "$h"; done |
    { cat; printf '#include <netinet/in.h>\n#include <sys/socket.h>\n'; } |
    ${CC:-cc} -D_GNU_SOURCE -E -P -x c - | tr -cs 'A-Za-z0-9_' '\n' | sort -u)
cat <<'C'

static inline size_t offset_in(const char *name, const char *field);
#define SAME(type, name, member, field) \
    if (offsetof(type, member) != offset_in(#name, #field)) return #name "." #field
int opt_layouts_checked(void);
const char *opt_layout_that_differs(void);
C
cat <<'C'
#include <string.h>
static inline size_t offset_in(const char *name, const char *field) {
    for (unsigned i = 0; i < esock_opt_count(); i++) {
        const esock_optshape *s = esock_opt_row(i)->shape;
        for (unsigned k = 0; s != NULL && strcmp(s->name, name) == 0 && k < s->count; k++)
            if (strcmp(s->fields[k].name, field) == 0) return s->fields[k].offset;
    }
    return (size_t)-1;
}
C
{ echo "$known" | sed 's/^/known /'; cat "$structs"; } | awk '
/^known / { known[$2] = 1; next }
/^ESOCK_STRUCT\(/ { split($0, part, /, */); type = part[2]; n = split(type, word, " "); tag = word[n]
                    usable = type ~ /^struct / && (tag in known) }
/^ESOCK_FIELD\(/ && usable {
    split($0, part, /, */); sub(/^ESOCK_FIELD\(/, "", part[1]); member = part[3]; m = member; sub(/.*\./, "", m)
    if (m in known) lines[++count] = sprintf("    SAME(%s, %s, %s, %s);", type, part[1], member, part[2])
}
END {
    printf "int opt_layouts_checked(void) {\n    return %d;\n}\n\nconst char *opt_layout_that_differs(void) {\n", count
    for (i = 1; i <= count; i++) print lines[i]
    print "    return NULL;\n}"
}'
