package sockopt

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

// The atlas says which option works on which kernel with which socket, as found there: testdata/kernels has the answers.
// go generate writes docs/atlas.md and docs/atlas.json.
//
//go:generate env ESOCK_UPDATE=1 go test -count=1 -run ^TestTheAtlasIsFresh$ .

// readsConnected is the result of an option that answered in a state that the probe does not try, and the capture does.
const readsConnected = ProbeNoSocket + 1

// atlasCells are the results in the tables.
var atlasCells = [...]string{ProbeRoundTrips: "rw", ProbeReads: "r", ProbeSets: "w", ProbePrivilege: "priv",
	ProbeState: "state", ProbeDiffers: "diff", ProbeRefused: "err", ProbeLacks: "-", ProbeNoSocket: "none", readsConnected: "c"}

func atlasWord(r ProbeResult) string {
	if r == readsConnected {
		return "reads on a connection"
	}
	return r.String()
}

// atlasKernel is what one kernel answered: for each option the result of each kind of socket.
type atlasKernel struct {
	release string
	major   [2]int
	answers map[string]map[string]ProbeResult
}

// readAtlas reads the kernels, the oldest first.
func readAtlas(t *testing.T) []atlasKernel {
	dirs, err := filepath.Glob(captured + "/*/probe.txt")
	require.NoError(t, err)
	var all []atlasKernel
	for _, file := range dirs {
		k := atlasKernel{release: filepath.Base(filepath.Dir(file)), answers: map[string]map[string]ProbeResult{}}
		_, err := fmt.Sscanf(k.release, "%d.%d", &k.major[0], &k.major[1])
		require.NoError(t, err, file)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			k.answers[parts[0]] = map[string]ProbeResult{}
			for _, part := range parts[1:] {
				word, kinds, _ := strings.Cut(part, ": ")
				r := slices.IndexFunc(ProbeResults(), func(r ProbeResult) bool { return r.String() == word })
				require.GreaterOrEqual(t, r, 0, line)
				for kind := range strings.FieldsSeq(kinds) {
					k.answers[parts[0]][kind] = ProbeResult(r)
				}
			}
		}
		k.connected(t, filepath.Join(filepath.Dir(file), "options.txt"))
		all = append(all, k)
	}
	slices.SortFunc(all, func(x, y atlasKernel) int { return slices.Compare(x.major[:], y.major[:]) })
	return all
}

// connected notes what answered on a connection or a listener, and not on a fresh socket.
func (k *atlasKernel) connected(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for where := range strings.FieldsSeq(c[5]) {
			kind, state, _ := strings.Cut(where, "/")
			if state != "connected" && state != "listening" {
				continue
			}
			switch k.answers[c[0]][kind] {
			case ProbeState, ProbeLacks, ProbeRefused:
				k.answers[c[0]][kind] = readsConnected
			}
		}
	}
}

// has reports whether a kernel has an option, and whether it says so: false, false if no socket was there to tell.
func (k *atlasKernel) has(option string) (has, known bool) {
	for _, r := range k.answers[option] {
		switch r {
		case ProbeNoSocket:
		case ProbeLacks:
			known = true
		case ProbeState: // the kernel said something else than that it does not know the option
			if strings.HasPrefix(option, "tls.") || strings.HasPrefix(option, "alg.") { // or said nothing: the socket did not have the level
				continue
			}
			return true, true
		default:
			return true, true
		}
	}
	return false, known
}

// cell is the results of an option on a kernel: that of most kinds of sockets, and those of the others with their names.
func (k *atlasKernel) cell(option string) string {
	kinds := map[ProbeResult][]string{}
	for _, kind := range kindNames {
		if r, ok := k.answers[option][kind]; ok && r != ProbeNoSocket {
			kinds[r] = append(kinds[r], kind)
		}
	}
	switch {
	case k.answers[option] == nil: // the row is younger than the capture
		return ""
	case len(kinds) == 0:
		return atlasCells[ProbeNoSocket]
	}
	most := slices.MaxFunc(slices.Sorted(maps.Keys(kinds)), func(x, y ProbeResult) int { return len(kinds[x]) - len(kinds[y]) })
	parts := []string{atlasCells[most]}
	for _, r := range slices.Sorted(maps.Keys(kinds)) {
		if r != most {
			parts = append(parts, atlasCells[r]+" "+strings.Join(kinds[r], " "))
		}
	}
	return strings.Join(parts, ", ")
}

// proven says between which of the kernels an option came, and went.
func proven(kernels []atlasKernel, option string) (since, until string) {
	var before string // the last kernel known to lack it
	for _, k := range kernels {
		has, known := k.has(option)
		switch {
		case has && since == "":
			since = "by " + k.release
			if before != "" {
				since = "after " + before + ", by " + k.release
			}
			until = ""
		case !has && known && since != "" && until == "":
			until = "by " + k.release
		case has:
			until = ""
		}
		if !has && known {
			before = k.release
		}
	}
	return since, until
}

// atlasHead is what the page begins with.
const atlasHead = `# Atlas of options

Which option works on which kernel, with which kind of socket: what the kernels answered, not what is written about them.
"esock options --probe" shows the same of yours. "go generate" makes this page of testdata/kernels;
[atlas.json](atlas.json) has every answer: for each option its level, name, since, until, proven_since (missing where nothing is
proven), and kernels, in which each version has the answer of each kind of socket that was asked ([kinds](options.md#kinds-of-sockets)).

The kernels are Debian's of bullseye (5.10), bookworm (6.1), trixie (6.12) and sid (7.x), and that of a virtual machine
(6.18), which is built without SCTP, TLS, IPsec and others. The probe ran as root.

| | |
|---|---|
| rw | set, or asked, and read back |
| r | read |
| w | set |
| c | read on a connection or a listener, not on a fresh socket |
| state | needs a state or a peer that was not tried |
| priv | needs a privilege |
| err | the kernel refused it for another reason |
| diff | reads something else than was set |
| - | the kernel does not have it |
| none | the kernel has no such socket |
| | it was not asked |

What follows a comma is of the kinds of sockets that differ from the others. "since" is what the table of options says,
"proven" what these kernels show.
`

func atlasPage(kernels []atlasKernel) string {
	var b strings.Builder
	b.WriteString(atlasHead)
	level := ""
	for i := range optionRows {
		o := &optionRows[i]
		if o.Level != level {
			level = o.Level
			fmt.Fprintf(&b, "\n## %s\n\n| option | since | proven |", level)
			for _, k := range kernels {
				fmt.Fprintf(&b, " %s |", k.release)
			}
			b.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(kernels)) + "\n")
		}
		name := o.Level + "." + o.Name
		since, until := proven(kernels, name)
		if until != "" {
			since += "; gone " + until
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |", o.Name, o.Since, cmp.Or(since, "not shown"))
		for _, k := range kernels {
			fmt.Fprintf(&b, " %s |", k.cell(name))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// atlasOption is an option in docs/atlas.json.
type atlasOption struct {
	Level       string                       `json:"level"`
	Name        string                       `json:"name"`
	Since       string                       `json:"since"`
	Until       string                       `json:"until,omitempty"`
	ProvenSince string                       `json:"proven_since,omitempty"`
	ProvenUntil string                       `json:"proven_until,omitempty"`
	Kernels     map[string]map[string]string `json:"kernels"` // by kernel and kind of socket
}

func atlasJSON(t *testing.T, kernels []atlasKernel) string {
	var lines []string
	for i := range optionRows {
		o := &optionRows[i]
		name := o.Level + "." + o.Name
		a := atlasOption{Level: o.Level, Name: o.Name, Since: o.Since, Until: o.Until}
		a.Kernels = map[string]map[string]string{}
		a.ProvenSince, a.ProvenUntil = proven(kernels, name)
		for _, k := range kernels {
			a.Kernels[k.release] = map[string]string{}
			for kind, r := range k.answers[name] {
				a.Kernels[k.release][kind] = atlasWord(r)
			}
		}
		line, err := json.Marshal(a)
		require.NoError(t, err)
		lines = append(lines, string(line))
	}
	return "[\n" + strings.Join(lines, ",\n") + "\n]\n"
}

func TestTheAtlasIsFresh(t *testing.T) {
	sourcetree.Need(t)
	kernels := readAtlas(t)
	require.NotEmpty(t, kernels)
	for file, want := range map[string]string{
		"../docs/atlas.md": atlasPage(kernels), "../docs/atlas.json": atlasJSON(t, kernels),
	} {
		if os.Getenv("ESOCK_UPDATE") != "" {
			require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		}
		is, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, want, string(is), "%s: run go generate ./...", file)
	}
}

// No kernel that is older than a row's since has the option, and none has it from its until on. Those between have it, but
// for the exceptions.
func TestTheRowsAreThoseOfTheKernels(t *testing.T) {
	sourcetree.Need(t)
	before := func(k *atlasKernel, version string) bool {
		var v [2]int
		_, err := fmt.Sscanf(version, "%d.%d", &v[0], &v[1])
		require.NoError(t, err, version)
		return slices.Compare(k.major[:], v[:]) < 0
	}
	for _, k := range readAtlas(t) {
		for i := range optionRows {
			o := &optionRows[i]
			name := o.Level + "." + o.Name
			has, known := k.has(name)
			want := !before(&k, o.Since) && (o.Until == "" || before(&k, o.Until))
			for _, e := range exceptions {
				if slices.Contains(e.options, name) && (e.kernels == nil || slices.Contains(e.kernels, k.release)) {
					want = !want
				}
			}
			if known {
				assert.Equal(t, want, has, "%s: %s, since %s until %s: %v", k.release, name, o.Since, o.Until, k.answers[name])
			}
		}
	}
}

// exceptions are what kernels have or lack other than the rows say.
var exceptions = []struct {
	options []string
	kernels []string // nil: all
	why     string
}{
	{[]string{"ip.protocol"}, []string{"5.10", "6.1"}, "stable releases have it from 6.4"},
	{[]string{"ip.local_port_range"}, []string{"6.1"}, "stable releases have it from 6.3"},
	{[]string{"socket.peersec"}, []string{"5.10", "6.1", "6.12", "6.18"}, "no security module is on"},
	{[]string{"ip.ipsec_policy", "ipv6.ipsec_policy"}, nil, "no kernel had the module af_key loaded"},
	{[]string{"tcp.ao_add_key", "tcp.ao_del_key", "tcp.ao_info", "tcp.ao_get_keys", "tcp.ao_repair"}, []string{"6.12", "6.18"},
		"built without CONFIG_TCP_AO"},
	{[]string{"tls.tx", "tls.rx"}, []string{"5.10", "6.18"}, "built without TLS"},
	{[]string{"tls.tx_zerocopy_ro", "tls.rx_expect_no_pad"}, []string{"6.18"}, "built without TLS"},
	{[]string{"ipv6.router_alert"}, []string{"5.10", "6.1"}, "sockets of protocol raw alone take it, and it cannot be read"},
	{[]string{"ipv6.nexthop", "ipv6.authhdr"}, nil, "Linux has the number alone"},
	{[]string{"sctp.autoclose", "sctp.get_assoc_number", "sctp.get_assoc_id_list"}, nil, "for one-to-many sockets"},
	{[]string{"vsock.peer_host_vm_id", "vsock.trusted"}, nil, "for VMware's transport"},
	{[]string{"vsock.nonblock_txrx"}, nil, "for programs inside the kernel"},
}
