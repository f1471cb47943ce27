package interop

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomScenarios receive a stream of packets of many types in changing modes. In half of them all is in the kernel
// before the first is received, in the others it comes byte by byte meanwhile. What must be received is known from how
// the stream was made.
func randomScenarios(t *testing.T, n int) []scenario {
	var all []scenario
	for seed := range n {
		r := random{Rand: rand.New(rand.NewPCG(uint64(seed), 0)), packet: "raw"}
		scenarios, err := parseScript("random", r.script(seed))
		require.NoError(t, err)
		all = append(all, scenarios...)
	}
	return all
}

// random writes one script, and knows the receiver's options.
type random struct {
	*rand.Rand
	writer
	packet  string
	header  int
	deliver string
}

// run is some packets of a type.
type run struct {
	packet  string
	wire    []byte
	packets []string
}

func (r *random) script(seed int) string {
	var runs []run
	var wire []byte
	for range 5 + r.IntN(20) {
		one := r.run()
		runs = append(runs, one)
		wire = append(wire, one.wire...)
	}
	r.deliver = "term"
	r.step("== seed %d", seed)
	r.step("a: L = listen([binary, {active, false}])")
	r.step("b: C = connect(@L, [binary, {active, false}, {nodelay, true}])")
	r.step("a: S = accept(L)")
	dripping := seed%2 == 1
	if dripping {
		r.step("b> drip(C, %s)", showBytes(string(wire)))
	} else {
		r.step("b: send(C, %s)", showBytes(string(wire)))
		r.step("a: queued(S, %d)", len(wire))
	}
	for _, one := range runs {
		r.receive(one)
	}
	if dripping {
		r.step("b<")
	}
	r.step("b: close(C)")
	r.step("a: recv(S, 0) -> {error, closed}")
	r.step("a: flush() -> []")
	r.step("not on otp25 as a: it loses bytes when packet and active change over what was read already")
	return r.String()
}

var randomTypes = []string{"raw", "1", "2", "4", "asn1", "sunrm", "cdr", "tpkt", "line"}

// run makes packets of a random type.
func (r *random) run() (one run) {
	one.packet = randomTypes[r.IntN(len(randomTypes))]
	for range 1 + r.IntN(4) {
		body := make([]byte, r.IntN(30))
		for i := range body {
			body[i] = 'a' + byte(r.IntN(26))
		}
		n := len(body)
		var head []byte
		delivered := true // with its header
		switch one.packet {
		case "1":
			head, delivered = []byte{byte(n)}, false
		case "2":
			head, delivered = []byte{0, byte(n)}, false
		case "4":
			head, delivered = []byte{0, 0, 0, byte(n)}, false
		case "asn1":
			head = []byte{48, byte(n)}
		case "sunrm":
			head = []byte{128, 0, 0, byte(n)}
		case "cdr":
			head = binary.BigEndian.AppendUint32([]byte("GIOP\x01\x02\x00\x01"), uint32(n))
		case "tpkt":
			head = []byte{3, 0, 0, byte(n + 4)}
		case "line":
			body = append(body, '\n')
		case "raw":
			body = append(body, '.')
		}
		one.wire = append(append(one.wire, head...), body...)
		if delivered {
			body = append(head, body...)
		}
		one.packets = append(one.packets, string(body))
	}
	return one
}

// receive receives the packets of a run, in one mode or another.
func (r *random) receive(one run) {
	if r.packet != one.packet || r.IntN(4) == 0 {
		r.packet = one.packet
		r.step("a: setopts(S, [{packet, %s}])", one.packet)
	}
	for left := one.packets; len(left) > 0; {
		if one.packet == "raw" {
			r.step("a: recv(S, %d) -> {ok, %s}", len(left[0]), r.data(left[0]))
			left = left[1:]
			continue
		}
		switch r.IntN(5) {
		case 0:
			r.step("a: setopts(S, [{active, once}])")
			r.step("a: msgs(1) -> [%s]", r.message(left[0]))
			left = left[1:]
		case 1:
			n := 1 + r.IntN(len(left))
			var texts []string
			for _, p := range left[:n] {
				texts = append(texts, r.message(p))
			}
			r.step("a: setopts(S, [{active, %d}])", n)
			r.step("a: msgs(%d) -> [%s, {tcp_passive, S}]", n+1, strings.Join(texts, ", "))
			left = left[n:]
		case 2:
			r.header = r.IntN(4)
			r.deliver = []string{"term", "port"}[r.IntN(2)]
			r.step("a: setopts(S, [{header, %d}, {deliver, %s}])", r.header, r.deliver)
			r.step("a: getopts(S, [active, packet]) -> {ok, [{active, false}, {packet, %s}]}", r.packet)
		default:
			r.step("a: recv(S, 0) -> {ok, %s}", r.data(left[0]))
			left = left[1:]
		}
	}
}

// data is a packet with its head divided off.
func (r *random) data(p string) string {
	if r.header > 0 && len(p) > r.header {
		return fmt.Sprintf("{header, %s, %s}", showBytes(p[:r.header]), showBytes(p[r.header:]))
	}
	return showBytes(p)
}

func (r *random) message(p string) string {
	if r.deliver == "port" {
		return fmt.Sprintf("{S, {data, %s}}", r.data(p))
	}
	return fmt.Sprintf("{tcp, S, %s}", r.data(p))
}
