package sockopt

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The facts of the newest kernel's headers, in bits (build/layout).
type headerFacts struct {
	linux   string
	numbers map[string]int64
	files   map[string]string // of the numbers
	sizes   map[string]int
	members map[string][]headerMember
}

type headerMember struct {
	name     string
	at, size int
}

func readHeaderFacts(t *testing.T) headerFacts {
	t.Helper()
	f, err := os.Open("testdata/headers.txt")
	require.NoError(t, err)
	defer f.Close()
	h := headerFacts{numbers: map[string]int64{}, files: map[string]string{}, sizes: map[string]int{}, members: map[string][]headerMember{}}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		var name, file string
		var number int64
		var m headerMember
		switch kind {
		case "linux":
			h.linux = rest
		case "const":
			_, err = fmt.Sscan(rest, &name, &number, &file)
			h.numbers[name], h.files[name] = number, file
		case "struct":
			_, err = fmt.Sscan(rest, &name, &number)
			h.sizes[name] = int(number)
		case "field":
			_, err = fmt.Sscan(rest, &name, &m.name, &m.at, &m.size)
			h.members[name] = append(h.members[name], m)
		}
		require.NoError(t, err, lines.Text())
	}
	require.NotEmpty(t, h.numbers)
	require.NotEmpty(t, h.members)
	return h
}

// Every number of an option is that of the newest headers, and every number there is an option or known to be none.
func TestOptionNumbersAreThoseOfTheNewestHeaders(t *testing.T) {
	h := readHeaderFacts(t)
	known, compared := map[string]bool{}, 0
	for _, o := range optionRows {
		known[o.Constant] = true
		if n, ok := h.numbers[o.Constant]; ok {
			assert.EqualValues(t, n, o.Number, "%s in %s of Linux %s", o.Constant, h.files[o.Constant], h.linux)
			compared++
		}
	}
	assert.Greater(t, compared, 200, "options that were compared")
	others, err := os.ReadFile("testdata/not-options.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(others)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			assert.False(t, known[line], "%s is an option now: remove it from testdata/not-options.txt", line)
			known[line] = true
		}
	}
	for name, file := range h.files {
		assert.True(t, known[name] || isNoOption(name), "%s of Linux %s has %s: add an option row, or put the name into "+
			"testdata/not-options.txt", file, h.linux, name)
	}
}

// isNoOption reports whether the headers use the beginning of the name for other things than options.
func isNoOption(name string) bool {
	for _, prefix := range notOptionPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// notOptionPrefixes are those of protocols, flags, values, message types and include guards.
var notOptionPrefixes = []string{"_", "BPF_", "SKF_", "IPPROTO_", "IN_", "INADDR_", "ICMP_", "ICMPV6_", "NLM_", "NLMSG_", "NLA_",
	"NETLINK_CAP_", "PACKET_FANOUT_FLAG_", "TP_", "TPACKET_", "SO_EE_", "SO_VM_SOCKETS_CONNECT_TIMEOUT_", "SCM_", "TCPI_OPT_", "IPV6_TLV_",
	"IPV6_PRIORITY_", "IPV6_FL_", "IPV6_PMTUDISC_", "IP_PMTUDISC_", "VMADDR_", "IPV6_PREFER_SRC_", "MPTCP_RST_", "PACKET_FANOUT_", "PACKET_MR_", "UDP_ENCAP_ESP", "TCPI_ECN_MODE_", "TCP_ACCECN_OPT_", "SCTP_BINDX_",
	"SCTP_PR_", "ALG_OP_", "XDP_PGOFF_", "XSK_UNALIGNED_BUF_", "CAN_RAW_XL_VCID_", "TLS_CIPHER_", "TLS_CONF_", "TLS_1_", "TIPC_ADDR_", "TIPC_ERR_", "TIPC_MAX_",
	"TIPC_SUB_", "TCPOPT_", "TCP_MD5SIG_", "SOL_"}

// kindBytes is the width of a field; that of other kinds reaches to the next field.
var kindBytes = map[string]int{"U8": 1, "BOOL8": 1, "U16": 2, "BE16": 2, "U32": 4, "I32": 4, "BE32": 4, "BOOL": 4, "SEC": 4, "MS": 4,
	"US": 4, "USMIN": 4, "U64": 8, "US64": 8, "IN4": 4, "IN6": 16, "SA": 128, "SA6": 28, "B32": 32, "B80": 80, "FMODE": 4}

// Every member that a structure has in the newest headers is read: each of its bytes belongs to a field. Bit fields are those
// of ecn.go.
func TestStructuresAreThoseOfTheNewestHeaders(t *testing.T) {
	h := readHeaderFacts(t)
	compared := 0
	for name, sh := range shapes() {
		members := h.members[name]
		if len(members) == 0 {
			continue
		}
		compared++
		ours := map[int]bool{} // bytes
		for i, f := range sh.fields {
			end := sh.size
			if n, ok := kindBytes[f.kind]; ok {
				end = f.offset + n
			} else if i+1 < len(sh.fields) && sh.fields[i+1].offset > f.offset {
				end = sh.fields[i+1].offset
			}
			for b := f.offset; b < end; b++ {
				ours[b] = true
			}
		}
		for _, m := range members {
			if knownPadding(m.name) || sh.element > 0 && m.at/8 >= sh.size {
				continue
			}
			for b := m.at / 8; b*8 < m.at+m.size; b++ {
				if !ours[b] {
					t.Errorf("struct %s of Linux %s: no field reads %s, byte %d", name, h.linux, m.name, b)
					break
				}
			}
		}
	}
	assert.Greater(t, compared, 40, "structures that were compared")
	bits := map[string]string{"ECNMODE": "tcpi_ecn_mode", "ECNSEEN": "tcpi_accecn_opt_seen", "ECNFAIL": "tcpi_accecn_fail_mode",
		"ECNOPTS": "tcpi_options2"}
	for kind, member := range bits {
		for _, m := range h.members["tcp_info"] {
			if m.name == member {
				assert.Equal(t, wordBits{m.at % 32, m.size}, ecnLayoutNew[kind], member)
				delete(bits, kind)
			}
		}
	}
	assert.Empty(t, bits, "bit fields of tcp_info that the headers do not have")
}

func knownPadding(name string) bool {
	return strings.Contains(name, "pad") || strings.Contains(name, "reserved") || strings.Contains(name, "unused")
}
