package sockopt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/internal/testwait"
)

// The answers that kernels of several ages gave to getsockopt(2), byte by byte, are in testdata/kernels/RELEASE/options.txt.
// A line has these columns, with tabs between:
//
//	level.name    the option
//	room          the room that the kernel was given
//	bytes         its answer, in hexadecimal digits
//	core          what the core makes of it: a number, or bytes; "=" if those are the answer, with zeros behind it
//	value         what Get makes of that, in JSON
//	sockets       which sockets answered so, each kind/state
//
// The states: fresh; set, to the sample of the row; listening; connected. tests/c/captured_test.c compares core, the tests
// below value. To capture: ESOCK_CAPTURE=DIRECTORY go test ./sockopt -run Captur. ESOCK_UPDATE=1 writes core and value anew
// from the bytes.
//
// probe.txt has the results of ProbeAll, which is what "esock options --probe" prints: an option a line, and each result with
// the kinds of sockets that had it. atlas_test.go makes docs/atlas.md of them.

const captured = "../testdata/kernels"

// answer is one line.
type answer struct {
	option  string
	room    int
	bytes   []byte
	sockets []string
}

// captureRoom is the room that an option is read with: more than any structure has. Some options answer only if it is exact.
func captureRoom(row int) int {
	switch o := &optionRows[row]; {
	case o.codec == codecU16:
		return 2
	case o.codec == codecU64:
		return 8
	case o.codec == codecTimeval:
		return 16
	case optionSizes()[row].room == 0:
		return 4
	case o.Struct == "tls_crypto_info":
		return 4
	}
	return 4096
}

// captureOptions asks the running kernel for the bytes of every option, on a socket of each kind and state.
func captureOptions(t *testing.T) []answer {
	found := map[string]*answer{}
	for _, kind := range AllKinds() {
		for state, open := range map[string]func() *esock.Socket{
			"fresh": func() *esock.Socket { s, _ := kind.Open(); return s },
			"set":   func() *esock.Socket { s, _ := kind.Open(); return s },
			"listening": func() *esock.Socket {
				s, _ := listening(kind)
				return s
			},
			"connected": func() *esock.Socket { return connected(t, kind) },
		} {
			for row := range optionRows {
				o := &optionRows[row]
				if !o.Kinds.Has(kind) || !o.answersIn(state) {
					continue
				}
				s := open()
				if s == nil {
					break
				}
				if o.Level == "tls" && state == "connected" {
					withTLS(s)
				}
				if b, room := captureOption(t, s, row, kind, state); b != nil {
					key := fmt.Sprint(row, " ", room, " ", hex.EncodeToString(b))
					if found[key] == nil {
						found[key] = &answer{option: o.Level + "." + o.Name, room: room, bytes: b}
					}
					found[key].sockets = append(found[key].sockets, kind.String()+"/"+state)
				}
				require.NoError(t, s.Close())
			}
		}
	}
	all := make([]answer, 0, len(found))
	for _, a := range found {
		slices.Sort(a.sockets)
		all = append(all, *a)
	}
	slices.SortFunc(all, func(x, y answer) int {
		return cmp.Or(strings.Compare(x.option, y.option), strings.Compare(x.sockets[0], y.sockets[0]))
	})
	return all
}

// answersIn says in which states an option is captured.
func (o *Info) answersIn(state string) bool {
	switch {
	case !o.CanGet:
		return false
	case o.Level == "tls":
		return state == "connected"
	case o.Asks:
		return state == "connected" || state == "set"
	}
	return (state == "set") == o.CanSet
}

// withTLS gives a connection the kernel's TLS 1.3, with keys of zeros, where the kernel has it.
func withTLS(s *esock.Socket) {
	keys := TLSCryptoInfo{Version: 0x304, CipherType: 51, Secrets: make([]byte, 36)}
	if TCPULP.Set(s, "tls") == nil {
		_ = TLSTX.Set(s, keys)
		_ = TLSRX.Set(s, keys)
	}
}

// captureOption returns the answer's bytes, nil if there is none.
func captureOption(t *testing.T, s *esock.Socket, row int, kind Kinds, state string) ([]byte, int) {
	o := &optionRows[row]
	val := make([]byte, captureRoom(row))
	set, _, untried := o.SampleValue(kind)
	switch {
	case untried != "" && (o.Asks || state == "set"):
		return nil, 0
	case o.Asks:
		i, data, cause := optionQuestionFromPlain(row, set)
		require.Empty(t, cause, o.Name)
		if data == nil {
			data = binary.NativeEndian.AppendUint32(nil, uint32(i))
		}
		val = append(data, make([]byte, max(0, optionSizes()[row].room-len(data)))...)
	case state == "set" && set != nil:
		if Set(s, o.Level, o.Name, set) != nil {
			return nil, 0
		}
	}
	n, err := s.GetOptionNative(o.LevelNumber, o.Number, val)
	if err != nil {
		return nil, 0
	}
	if o.codec == codecFilter {
		n *= 8
	}
	if o.Codec == "fd" && n == 4 {
		syscall.Close(int(int32(binary.NativeEndian.Uint32(val))))
	}
	require.LessOrEqual(t, n, len(val), "%s.%s", o.Level, o.Name)
	return val[:n], len(val)
}

// listening returns a listener of the kind on the loopback, nil if such sockets do not listen here, and what to connect to.
func listening(kind Kinds) (*esock.Socket, esock.Addr) {
	s, at := bound(kind)
	if s == nil || s.Type() == esock.Dgram || s.Listen(1) != nil {
		if s != nil {
			s.Close()
		}
		return nil, esock.Addr{}
	}
	return s, at
}

// bound returns a socket of the kind on the loopback, nil if there is none here.
func bound(kind Kinds) (*esock.Socket, esock.Addr) {
	if kind&(KindTCP4|KindTCP6|KindUDP4|KindUDP6|KindUnix|KindUnixDgram|KindVSock|KindMPTCP|KindSCTP|KindUDPLite) == 0 {
		return nil, esock.Addr{}
	}
	s, err := kind.Open()
	if err != nil {
		return nil, esock.Addr{}
	}
	at := esock.Loopback
	switch s.Domain() {
	case esock.Local:
		at = esock.RawAddr(esock.Local, nil) // the kernel chooses an abstract name
	case esock.VSock:
		at = esock.VSockAddr(vsockLocal, vsockAnyPort)
	}
	if s.Bind(at) != nil {
		s.Close()
		return nil, esock.Addr{}
	}
	at, err = s.SockName()
	if err != nil {
		s.Close()
		return nil, esock.Addr{}
	}
	return s, at
}

// The context that is this machine itself, and the port that the kernel chooses: vsock(7).
const (
	vsockLocal   = 1
	vsockAnyPort = 1<<32 - 1
)

// connected returns a socket of the kind that is connected over the loopback and has sent and received, nil if there is none.
func connected(t *testing.T, kind Kinds) *esock.Socket {
	l, at := listening(kind)
	if l == nil {
		l, at = bound(kind)
	}
	if l == nil {
		return nil
	}
	defer l.Close()
	s, err := kind.Open()
	if err != nil || s.Connect(at, esock.Within(testwait.Patience)) != nil {
		if s != nil {
			s.Close()
		}
		return nil
	}
	if s.Type() != esock.Stream {
		return s
	}
	peer, err := l.Accept(esock.Within(testwait.Patience))
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	for _, way := range [2][2]*esock.Socket{{s, peer}, {peer, s}} {
		_, err = way[0].Send([]byte("hello"), 0, esock.Within(testwait.Patience))
		require.NoError(t, err)
		_, err = way[1].Recv(make([]byte, 5), 0, esock.Within(testwait.Patience))
		require.NoError(t, err)
	}
	return s
}

// core is what the core makes of an answer, as csrc/esock.h says it. It is written apart from the core, which is compared
// with it.
func (a *answer) core(row int) (i int64, data []byte) {
	o, b := &optionRows[row], a.bytes
	switch o.codec {
	case codecBool, codecInt, codecUint, codecBE32:
		n := binary.NativeEndian.Uint32(b)
		switch {
		case o.codec == codecBool && n != 0:
			return 1, nil
		case o.codec == codecBE32:
			return int64(binary.BigEndian.Uint32(b)), nil
		case o.codec == codecUint:
			return int64(n), nil
		}
		return int64(int32(n)), nil
	case codecU16:
		return int64(binary.NativeEndian.Uint16(b)), nil
	case codecU64:
		if len(b) == 4 {
			if n := binary.NativeEndian.Uint32(b); n != 1<<32-1 {
				return int64(n), nil
			}
			return -1, nil
		}
		return int64(binary.NativeEndian.Uint64(b)), nil
	case codecTimeval:
		return int64(binary.NativeEndian.Uint64(b))*1e6 + int64(binary.NativeEndian.Uint64(b[8:])), nil
	case codecString:
		text, _, _ := bytes.Cut(b, []byte{0})
		return 0, text
	case codecStruct:
		sh := shapes()[o.Struct]
		switch {
		case sh.element > 0:
			return 0, b[:len(b)-(len(b)-sh.size)%sh.element]
		case len(b) < sh.size:
			return 0, append(slices.Clone(b), make([]byte, sh.size-len(b))...)
		}
		return 0, b[:sh.size]
	}
	return 0, b
}

// line returns the columns.
func (a *answer) line(row int) string {
	i, data := a.core(row)
	core := hex.EncodeToString(data)
	switch {
	case optionSizes()[row].room == 0:
		core = strconv.FormatInt(i, 10)
	case len(data) >= len(a.bytes) && bytes.Equal(data, append(slices.Clone(a.bytes), make([]byte, len(data)-len(a.bytes))...)):
		core = "="
	}
	value, err := json.Marshal(plainOption(row, i, data))
	if err != nil {
		value = []byte(strconv.Quote(err.Error()))
	}
	return fmt.Sprintf("%s\t%d\t%x\t%s\t%s\t%s", a.option, a.room, a.bytes, core, value, strings.Join(a.sockets, " "))
}

// rowOf returns the row of "level.name".
func rowOf(t *testing.T, option string) int {
	level, name, _ := strings.Cut(option, ".")
	row := findOption(level, name)
	require.GreaterOrEqual(t, row, 0, option)
	return row
}

// as decodes as on a kernel of the release "7.2" or "7.2.1-amd64".
func as(t *testing.T, release string) {
	was := ecnLayout
	t.Cleanup(func() { ecnLayout = was })
	var major int
	_, err := fmt.Sscanf(release, "%d.", &major)
	require.NoError(t, err)
	ecnLayout = func() map[string]wordBits {
		if major >= 7 {
			return ecnLayoutNew
		}
		return ecnLayoutOld
	}
}

func TestTheRunningKernelsAnswersCaptured(t *testing.T) {
	needs64Bits(t)
	all := captureOptions(t)
	checkAnswers(t, all)
	dir := os.Getenv("ESOCK_CAPTURE")
	if dir == "" {
		return
	}
	var b strings.Builder
	for _, a := range all {
		b.WriteString(a.line(rowOf(t, a.option)) + "\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "options.txt"), []byte(b.String()), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "probe.txt"), []byte(probeText()), 0o644))
}

// probeText is the content of probe.txt.
func probeText() string {
	var b strings.Builder
	for p := range ProbeAll() {
		var kinds [ProbeNoSocket + 1][]string
		for _, a := range p.Answers {
			kinds[a.Result] = append(kinds[a.Result], a.Kind.String())
		}
		b.WriteString(p.Option.Level + "." + p.Option.Name)
		for r, names := range kinds {
			if names != nil {
				fmt.Fprintf(&b, "\t%s: %s", ProbeResult(r), strings.Join(names, " "))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestCapturedAnswersAreDecoded(t *testing.T) {
	needs64Bits(t)
	sourcetree.Need(t)
	files, err := filepath.Glob(captured + "/*/options.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	update := os.Getenv("ESOCK_UPDATE") != ""
	for _, file := range files {
		release := filepath.Base(filepath.Dir(file))
		t.Run(release, func(t *testing.T) {
			as(t, release)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var all []answer
			var lines []string
			for line := range strings.Lines(string(text)) {
				c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				require.Len(t, c, 6, line)
				if level, name, _ := strings.Cut(c[0], "."); update && findOption(level, name) < 0 {
					continue // the row is no more
				}
				a := answer{option: c[0], sockets: strings.Fields(c[5])}
				a.room, err = strconv.Atoi(c[1])
				require.NoError(t, err)
				a.bytes, err = hex.DecodeString(c[2])
				require.NoError(t, err)
				all = append(all, a)
				lines = append(lines, a.line(rowOf(t, a.option)))
				if !update {
					assert.Equal(t, strings.TrimSuffix(line, "\n"), lines[len(lines)-1])
				}
			}
			assert.Greater(t, len(all), 200, "of %s", file)
			checkAnswers(t, all)
			if update {
				require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
			}
		})
	}
}

// needs64Bits skips what was captured on a machine whose C long has 64 bits, little end first.
func needs64Bits(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 || binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of 64-bit machines, little end first")
	}
}

// checkAnswers decodes answers, and compares what is known of their sockets with the values.
func checkAnswers(t *testing.T, all []answer) {
	seen := map[string]int{}
	for _, a := range all {
		row := rowOf(t, a.option)
		i, data := a.core(row)
		value := plainOption(row, i, data)
		assert.NotNil(t, value, a.option)
		for _, s := range a.sockets {
			kind, state, _ := strings.Cut(s, "/")
			checkKnown(t, a.option+" "+s, a.option, kind, state, value)
			checkSample(t, row, kind, state, value)
			seen[a.option]++
		}
	}
	for _, o := range []string{"socket.type", "socket.domain", "tcp.info", "socket.meminfo", "ip.mtu", "ipv6.tclass"} {
		assert.Positive(t, seen[o], o)
	}
}

// checkSample checks that an option reads what it was set to, where the row says that it does.
func checkSample(t *testing.T, row int, kind, state string, value any) {
	k := kindNamed(t, kind)
	_, want, untried := optionRows[row].SampleValue(k)
	if state == "set" && untried == "" && want != nil && k != KindSCTP && !optionRows[row].Asks {
		assert.True(t, holds(value, want), "%s.%s on %s: %v, not %v", optionRows[row].Level, optionRows[row].Name, kind, value, want)
	}
}

// kindNamed returns the kind of a name.
func kindNamed(t *testing.T, name string) Kinds {
	i := slices.Index(kindNames[:], name)
	require.GreaterOrEqual(t, i, 0, name)
	return 1 << i
}

// checkKnown checks values that follow from the kind and the state of a socket.
func checkKnown(t *testing.T, what, option, kind, state string, value any) {
	a := kindArguments[slices.Index(kindNames[:], kind)]
	field := func(name string) uint64 {
		v := reflect.ValueOf(value.(map[string]any)[name])
		require.True(t, v.IsValid(), "%s: %s of %v", what, name, slices.Sorted(maps.Keys(value.(map[string]any))))
		if v.CanInt() {
			return uint64(v.Int())
		}
		return v.Uint()
	}
	switch option {
	case "socket.type":
		assert.Equal(t, a.typ.String(), fmt.Sprint(value), what)
	case "socket.domain":
		assert.Equal(t, a.domain.String(), fmt.Sprint(value), what)
	case "socket.acceptconn":
		assert.Equal(t, state == "listening", value, what)
	case "socket.meminfo":
		assert.Positive(t, field("rcvbuf"), what)
		assert.Positive(t, field("sndbuf"), what)
	case "socket.sndbuf", "socket.rcvbuf":
		assert.Positive(t, value, what)
	case "socket.cookie":
		assert.NotZero(t, value, what)
	case "socket.peercred":
		if state == "connected" {
			assert.Positive(t, field("pid"), what)
		}
	case "tcp.info":
		want := map[string]uint64{"fresh": 7, "set": 7, "connected": 1, "listening": 10}[state]
		assert.Equal(t, want, field("state"), what)
		if state == "connected" {
			assert.Positive(t, field("snd_mss"), what)
			assert.Positive(t, field("snd_cwnd"), what)
			assert.EqualValues(t, 5, field("bytes_received"), what)
			assert.Contains(t, []uint64{6, 5}, field("bytes_acked"), what) // the SYN counts as one
		}
	case "tcp.congestion":
		assert.Regexp(t, `^[a-z]+$`, value, what)
	}
}
