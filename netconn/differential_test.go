package netconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
)

// Random programs run on a connection of this package and on one of package net, and each call must have the same result:
// the count, the bytes, and the error down to the words of its parts. The programs make no call whose result depends on
// when the kernel delivers what was sent.

// described is an error without the addresses, which differ: which parts it has, and their words.
func described(err error) string {
	if err == nil {
		return "nil"
	}
	var op *net.OpError
	if !errors.As(err, &op) {
		return fmt.Sprintf("%T %v", err, err)
	}
	what := strings.ReplaceAll(fmt.Sprintf("%T %v", op.Err, op.Err), "netconn.", "net.")
	if call, ok := op.Err.(*os.SyscallError); ok { // this package names the option, too
		name, _, _ := strings.Cut(call.Syscall, " ")
		what = fmt.Sprintf("%T %v", call, os.NewSyscallError(name, call.Err))
	}
	var invalid *esock.InvalidError
	if errors.As(op.Err, &invalid) { // what package net leaves to the kernel
		what = fmt.Sprintf("%T %v", &os.SyscallError{}, callOf(op)+": "+syscall.EINVAL.Error())
	}
	if inner, ok := op.Err.(*net.OpError); ok { // its addresses differ, too
		what = "(" + described(inner) + ")"
	}
	var timeout net.Error
	return fmt.Sprintf("op %s, net %s, source %t, addr %t, %s, timeout %t", op.Op, op.Net, op.Source != nil, op.Addr != nil,
		what, errors.As(err, &timeout) && timeout.Timeout())
}

// callOf is the system call that package net makes for an operation.
func callOf(op *net.OpError) string {
	return map[string]string{"dial": "connect", "listen": "bind", "write": "sendto", "set": "setsockopt"}[op.Op]
}

// shape is an address without what differs.
func shape(a net.Addr) string {
	switch a := a.(type) {
	case *net.TCPAddr:
		return fmt.Sprintf("%T %s %d %q", a, a.IP, len(a.IP), a.Zone)
	case *net.UDPAddr:
		return fmt.Sprintf("%T %s %d %q", a, a.IP, len(a.IP), a.Zone)
	case *net.IPAddr:
		if a != nil {
			return fmt.Sprintf("%T %s %d %q", a, a.IP, len(a.IP), a.Zone)
		}
	case *net.UnixAddr:
		return fmt.Sprintf("%T %t %s", a, a.Name == "@", a.Net)
	case nil:
		return "nil"
	}
	return fmt.Sprintf("%T", a)
}

// side is one implementation.
type side struct {
	listen func(network, address string) (net.Listener, error)
	dial   func(network, address string) (net.Conn, error)
	packet func(network, address string) (net.PacketConn, error)
	own    bool // of this package
}

var sides = [2]side{
	{net.Listen, net.Dial, net.ListenPacket, false},
	{
		func(n, a string) (net.Listener, error) { return ListenConfig{}.Listen(background, n, a) },
		Dialer{}.Dial,
		func(n, a string) (net.PacketConn, error) { return ListenConfig{}.ListenPacket(background, n, a) },
		true,
	},
}

type streamEnd interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// program is the state of one: the pair of each side, and what is on its way to each end.
type program struct {
	ends    [2][2]streamEnd // side, end
	coming  [2]int          // bytes to the end
	closed  [2]bool
	ended   [2]bool // the end has shut its writing down
	noRead  [2]bool // the end has shut its reading down
	written byte
	file    *os.File // with content, for both
	content []byte
}

// both makes a call on both sides, and compares what it describes.
func (m *program) both(t *rapid.T, what string, end int, call func(c streamEnd) string) {
	want, got := call(m.ends[0][end]), call(m.ends[1][end])
	if want != got {
		t.Fatalf("%s of end %d: net has\n%s\nand netconn\n%s", what, end, want, got)
	}
}

// arrived waits until the kernel has delivered what is on its way to an end: without TCP_NODELAY, and on a machine with much
// to do, that is some time after the write.
func (m *program) arrived(t *rapid.T, end int) {
	if m.closed[end] {
		return
	}
	for i := range m.ends {
		raw, err := m.ends[i][end].(syscall.Conn).SyscallConn()
		require.NoError(t, err)
		testwait.Until(t, "what was sent arrives", func() bool {
			n := 0
			require.NoError(t, raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }))
			require.NoError(t, err)
			return n >= m.coming[end]
		})
	}
}

// writable reports whether a write of the end has one result: afterwards the peer's kernel would answer with a reset.
func (m *program) writable(end int) bool { return !m.closed[1-end] && !m.noRead[1-end] }

func (m *program) actions() map[string]func(*rapid.T) {
	anEnd := rapid.IntRange(0, 1)
	return map[string]func(*rapid.T){
		"write": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			n := rapid.IntRange(0, 500).Draw(t, "n")
			if !m.writable(end) || m.coming[1-end] > 4000 {
				t.Skip("no result that is known")
			}
			b := make([]byte, n)
			for i := range b {
				m.written++
				b[i] = m.written
			}
			m.both(t, "Write", end, func(c streamEnd) string {
				n, err := c.Write(b)
				return fmt.Sprint(n, described(err))
			})
			if !m.closed[end] && !m.ended[end] {
				m.coming[1-end] += n
			}
		},
		"read": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			n := rapid.IntRange(0, 600).Draw(t, "n")
			over := m.ended[1-end] || m.closed[1-end] || m.noRead[end]
			switch {
			case m.closed[end], n == 0:
			case m.coming[end] > 0:
				n = min(n, m.coming[end])
			case !over:
				t.Skip("would wait")
			}
			m.both(t, "Read", end, func(c streamEnd) string {
				b := make([]byte, n)
				var got int
				var err error
				if n == 0 {
					got, err = c.Read(b)
				} else {
					for got < n && err == nil {
						var k int
						k, err = c.Read(b[got:])
						got += k
					}
				}
				return fmt.Sprint(got, b, described(err))
			})
			if !m.closed[end] {
				m.coming[end] -= min(n, m.coming[end])
			}
		},
		"past deadline": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			m.both(t, "a past deadline", end, func(c streamEnd) string {
				past := time.Now().Add(-time.Second)
				set := c.SetDeadline(past)
				n, read := c.Read(make([]byte, 10))
				k, wrote := c.Write(make([]byte, 10))
				cleared := c.SetDeadline(time.Time{})
				return fmt.Sprint(described(set), n, described(read), k, described(wrote), described(cleared))
			})
		},
		"future deadline": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			m.both(t, "a future deadline", end, func(c streamEnd) string {
				return described(c.SetReadDeadline(time.Now().Add(time.Hour))) + described(c.SetWriteDeadline(time.Now().Add(time.Hour)))
			})
		},
		"addresses": func(t *rapid.T) {
			m.both(t, "addresses", anEnd.Draw(t, "end"), func(c streamEnd) string { return shape(c.LocalAddr()) + shape(c.RemoteAddr()) })
		},
		"close write": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			if m.closed[1-end] {
				t.Skip("the connection may be gone")
			}
			if m.ended[end] && m.ended[1-end] {
				t.Skip("whether the connection is gone already depends on the kernel")
			}
			m.both(t, "CloseWrite", end, func(c streamEnd) string { return described(c.CloseWrite()) })
			m.ended[end] = true
		},
		"close read": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			if m.closed[1-end] {
				t.Skip("the connection may be gone")
			}
			if m.ended[end] && m.ended[1-end] {
				t.Skip("whether the connection is gone already depends on the kernel")
			}
			m.arrived(t, end) // what comes after it resets a connection whose end has shut both directions down
			m.both(t, "CloseRead", end, func(c streamEnd) string { return described(c.CloseRead()) })
			m.noRead[end] = true
		},
		"close": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			if !m.closed[end] && m.coming[end] > 0 {
				t.Skip("would reset the connection")
			}
			m.both(t, "Close", end, func(c streamEnd) string { return described(c.Close()) })
			m.closed[end] = true
		},
		"duplicate": func(t *rapid.T) {
			m.both(t, "File", anEnd.Draw(t, "end"), func(c streamEnd) string {
				f, err := c.(interface{ File() (*os.File, error) }).File()
				if err == nil {
					f.Close()
				}
				return described(err)
			})
		},
		"buffers": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			sizes := rapid.SliceOfN(rapid.IntRange(0, 100), 0, 5).Draw(t, "sizes")
			if !m.writable(end) || m.coming[1-end] > 4000 || m.closed[end] || m.ended[end] {
				t.Skip("no result that is known")
			}
			var v net.Buffers
			total := 0
			for _, n := range sizes {
				v = append(v, make([]byte, n))
				total += n
			}
			m.both(t, "Buffers", end, func(c streamEnd) string {
				v := append(net.Buffers(nil), v...)
				n, err := v.WriteTo(c)
				return fmt.Sprint(n, described(err))
			})
			m.coming[1-end] += total
		},
		"own buffers": func(t *rapid.T) { // WriteBuffers is to net.Buffers what writev(2) is to write(2)
			end := anEnd.Draw(t, "end")
			if !m.writable(end) || m.coming[1-end] > 4000 {
				t.Skip("no result that is known")
			}
			m.both(t, "WriteBuffers", end, func(c streamEnd) string {
				v := net.Buffers{make([]byte, 3), nil, make([]byte, 70)}
				var n int64
				var err error
				if w, ok := c.(interface {
					WriteBuffers(*net.Buffers) (int64, error)
				}); ok {
					n, err = w.WriteBuffers(&v)
				} else {
					n, err = v.WriteTo(c)
				}
				var op *net.OpError
				if errors.As(err, &op) { // net writes to a connection of unix one by one
					err = op.Unwrap()
				}
				var call *os.SyscallError
				if errors.As(err, &call) {
					err = call.Err
				}
				return fmt.Sprint(n, err)
			})
			if !m.closed[end] && !m.ended[end] {
				m.coming[1-end] += 73
			}
		},
		"file": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			if !m.writable(end) || m.coming[1-end] > 4000 || m.closed[end] {
				t.Skip("no result that is known") // on a closed one, package net reads what it cannot send
			}
			from := rapid.IntRange(0, len(m.content)).Draw(t, "from")
			limit := rapid.IntRange(-1, len(m.content)).Draw(t, "limit")
			sent := len(m.content) - from
			m.both(t, "ReadFrom a file", end, func(c streamEnd) string {
				_, err := m.file.Seek(int64(from), io.SeekStart)
				require.NoError(t, err)
				var r io.Reader = m.file
				if limit >= 0 {
					r = io.LimitReader(r, int64(limit))
				}
				// Others of net have no ReadFrom, and io.Copy says what a write says.
				n, err := io.Copy(c, struct{ io.Reader }{r})
				if c.LocalAddr().Network() == "tcp" {
					_, err = m.file.Seek(int64(from), io.SeekStart)
					require.NoError(t, err)
					if l, ok := r.(*io.LimitedReader); ok {
						l.N = int64(limit)
					}
					var k int64
					k, err = c.(io.ReaderFrom).ReadFrom(r)
					n += k
				}
				at, seek := m.file.Seek(0, io.SeekCurrent)
				if err != nil && c.LocalAddr().Network() != "tcp" {
					return "" // net says it without the word of this package's ReadFrom
				}
				return fmt.Sprint(n, at, seek, described(err))
			})
			if limit >= 0 {
				sent = min(sent, limit)
			}
			if !m.closed[end] && !m.ended[end] {
				m.coming[1-end] += sent
				if m.ends[0][end].LocalAddr().Network() == "tcp" {
					m.coming[1-end] += sent
				}
			}
		},
		"write to": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			over := m.ended[1-end] || m.closed[1-end] || m.noRead[end]
			if !m.closed[end] && !over || m.closed[end] && m.ends[0][end].LocalAddr().Network() != "tcp" {
				t.Skip("would wait, or net has no WriteTo")
			}
			m.both(t, "WriteTo", end, func(c streamEnd) string {
				var b bytes.Buffer
				n, err := io.Copy(&b, c)
				return fmt.Sprint(n, b.Bytes(), described(err))
			})
			m.coming[end] = 0
		},
		"raw calls": func(t *rapid.T) {
			m.both(t, "SyscallConn", anEnd.Draw(t, "end"), func(c streamEnd) string {
				s := &script{}
				sayRaw(s, c, true)
				return fmt.Sprint(s.said)
			})
		},
		"options": func(t *rapid.T) {
			linger := rapid.SampledFrom([]int{-1, -5}).Draw(t, "linger") // another one has effects on Close
			idle := rapid.SampledFrom([]time.Duration{-1, 0, 1, time.Second, time.Hour, 100_000 * time.Second}).Draw(t, "idle")
			on := rapid.Bool().Draw(t, "on")
			size := rapid.SampledFrom([]int{0, 1, 1000, 100_000}).Draw(t, "size")
			m.both(t, "options", anEnd.Draw(t, "end"), func(c streamEnd) string {
				said := ""
				if o, ok := c.(tcpOptions); ok {
					said = described(o.SetNoDelay(on)) + described(o.SetKeepAlive(on)) + described(o.SetLinger(linger)) +
						described(o.SetKeepAlivePeriod(idle)) + described(o.SetKeepAliveConfig(net.KeepAliveConfig{Enable: on, Idle: idle}))
				}
				return said + described(c.(bufferSizes).SetReadBuffer(max(size, 50_000)))
			})
		},
		"abort": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			if m.closed[0] || m.closed[1] || m.noRead[0] || m.noRead[1] || rapid.IntRange(0, 3).Draw(t, "chance") > 0 {
				t.Skip("not now")
			}
			m.both(t, "Close with a reset", end, func(c streamEnd) string {
				if o, ok := c.(tcpOptions); ok && isTCP(c) {
					return described(o.SetLinger(0)) + described(c.Close())
				}
				return described(c.Close())
			})
			// What has come before the reset can be read, and how much that is depends on the kernel; then it is an error once. On
			// unix sockets only data that was not read makes a reset.
			m.both(t, "calls after a reset", 1-end, func(c streamEnd) string {
				_, err := io.Copy(io.Discard, struct{ io.Reader }{c})
				k, again := c.Read(make([]byte, 1))
				w, wrote := c.Write([]byte("x"))
				return fmt.Sprint(described(err), k, described(again), w, described(wrote), described(c.CloseWrite()), described(c.Close()))
			})
			m.closed = [2]bool{true, true}
			m.coming = [2]int{}
		},
		"read from": func(t *rapid.T) {
			end := anEnd.Draw(t, "end")
			if !m.writable(end) || m.coming[1-end] > 4000 || m.closed[end] || m.ended[end] {
				t.Skip("no result that is known")
			}
			n := rapid.IntRange(0, 300).Draw(t, "n")
			m.both(t, "io.Copy", end, func(c streamEnd) string {
				k, err := io.Copy(c, io.LimitReader(zeros{}, int64(n)))
				return fmt.Sprint(k, described(err))
			})
			m.coming[1-end] += n
		},
	}
}

// zeros is an endless reader of zero bytes.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestStreamsDoAsThoseOfNet(t *testing.T) {
	dir := t.TempDir()
	paths := 0
	content := someBytes(300)
	file := fileOf(t, content)
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			free := addressOf(t, network)
			rapid.Check(t, func(t *rapid.T) {
				m := program{file: file, content: content}
				for i, s := range sides {
					paths++
					address := filepath.Join(dir, fmt.Sprint(paths))
					if network != "unix" {
						address = free // any port
					}
					l, err := s.listen(network, address)
					require.NoError(t, err)
					d, err := s.dial(network, l.Addr().String())
					require.NoError(t, err)
					a, err := l.Accept()
					require.NoError(t, err)
					require.NoError(t, l.Close())
					m.ends[i] = [2]streamEnd{d.(streamEnd), a.(streamEnd)}
					defer d.Close()
					defer a.Close()
				}
				t.Repeat(m.actions())
			})
		})
	}
}

// udp is what both packages have.
type udp interface {
	net.PacketConn
	net.Conn
	ReadFromUDP(b []byte) (int, *net.UDPAddr, error)
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	WriteToUDP(b []byte, addr *net.UDPAddr) (int, error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
	WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error)
}

var (
	_ udp = (*net.UDPConn)(nil)
	_ udp = (*UDPConn)(nil)
)

func TestDatagramsDoAsThoseOfNet(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			free := addressOf(t, network)
			rapid.Check(t, func(t *rapid.T) { runDatagrams(t, network, free) })
		})
	}
}

// runDatagrams sends from a socket, connected or not, to another.
func runDatagrams(t *rapid.T, network, free string) {
	connected := rapid.Bool().Draw(t, "connected")
	var from, to [2]udp
	for i, s := range sides {
		p, err := s.packet(network, free)
		require.NoError(t, err)
		defer p.Close()
		to[i] = p.(udp)
		if connected {
			c, err := s.dial(network, p.LocalAddr().String())
			require.NoError(t, err)
			from[i] = c.(udp)
		} else {
			p, err := s.packet(network, free)
			require.NoError(t, err)
			from[i] = p.(udp)
		}
		defer from[i].Close()
	}
	both := func(t *rapid.T, what string, call func(i int) string) {
		if want, got := call(0), call(1); want != got {
			t.Fatalf("%s: net has\n%s\nand netconn\n%s", what, want, got)
		}
	}
	waiting, closed := 0, false
	kinds := []string{"Write", "WriteTo", "WriteToUDP", "WriteToUDPAddrPort", "WriteMsgUDP", "WriteMsgUDPAddrPort",
		"WriteTo a wrong type", "WriteToUDP nil", "WriteToUDPAddrPort nowhere", "WriteToUDPAddrPort another family", "WriteMsgUDP nil"}
	t.Repeat(map[string]func(*rapid.T){
		"write": func(t *rapid.T) {
			b := make([]byte, rapid.IntRange(0, 100).Draw(t, "n"))
			kind := rapid.SampledFrom(kinds).Draw(t, "kind")
			if waiting > 20 {
				t.Skip("enough")
			}
			other := netip.MustParseAddrPort("[::2]:9")
			if network == "udp6" {
				other = netip.AddrPort{} // an inet6 socket reaches all families
			}
			var sent bool
			both(t, kind, func(i int) string {
				a := to[i].LocalAddr().(*net.UDPAddr)
				var n, oobn int
				var err error
				switch kind {
				case "Write":
					n, err = from[i].Write(b)
				case "WriteTo":
					n, err = from[i].WriteTo(b, a)
				case "WriteToUDP":
					n, err = from[i].WriteToUDP(b, a)
				case "WriteToUDPAddrPort":
					n, err = from[i].WriteToUDPAddrPort(b, a.AddrPort())
				case "WriteMsgUDP":
					n, oobn, err = from[i].WriteMsgUDP(b, nil, a)
				case "WriteMsgUDPAddrPort":
					n, oobn, err = from[i].WriteMsgUDPAddrPort(b, nil, a.AddrPort())
				case "WriteTo a wrong type":
					n, err = from[i].WriteTo(b, &net.TCPAddr{IP: a.IP, Port: a.Port})
				case "WriteToUDP nil":
					n, err = from[i].WriteToUDP(b, nil)
				case "WriteToUDPAddrPort nowhere":
					n, err = from[i].WriteToUDPAddrPort(b, netip.AddrPort{})
				case "WriteToUDPAddrPort another family":
					n, err = from[i].WriteToUDPAddrPort(b, other)
				case "WriteMsgUDP nil":
					n, oobn, err = from[i].WriteMsgUDP(b, nil, nil)
				}
				sent = err == nil
				return fmt.Sprint(n, oobn, described(err))
			})
			if sent {
				waiting++
			}
		},
		"read": func(t *rapid.T) {
			kind := rapid.SampledFrom([]string{"Read", "ReadFrom", "ReadFromUDP", "ReadFromUDPAddrPort", "ReadMsgUDP"}).Draw(t, "kind")
			size := rapid.IntRange(1, 120).Draw(t, "size")
			if waiting == 0 && !closed {
				t.Skip("would wait")
			}
			both(t, kind, func(i int) string {
				b := make([]byte, size)
				var n, flags int
				var err error
				var addr net.Addr
				switch kind {
				case "Read":
					n, err = to[i].Read(b)
				case "ReadFrom":
					n, addr, err = to[i].ReadFrom(b)
				case "ReadFromUDP":
					var a *net.UDPAddr
					if n, a, err = to[i].ReadFromUDP(b); a != nil {
						addr = a
					}
				case "ReadFromUDPAddrPort":
					var ap netip.AddrPort
					n, ap, err = to[i].ReadFromUDPAddrPort(b)
					return fmt.Sprint(n, ap.Addr(), described(err))
				case "ReadMsgUDP":
					var a *net.UDPAddr
					n, _, flags, a, err = to[i].ReadMsgUDP(b, nil)
					if err == nil {
						addr = a
					}
				}
				return fmt.Sprint(n, flags, shape(addr), described(err))
			})
			if !closed {
				waiting--
			}
		},
		"past deadline": func(t *rapid.T) {
			both(t, "a past deadline", func(i int) string {
				set := to[i].SetDeadline(time.Now().Add(-time.Second))
				n, _, err := to[i].ReadFrom(make([]byte, 5))
				k, wrote := to[i].WriteTo(make([]byte, 5), to[i].LocalAddr())
				return fmt.Sprint(described(set), n, described(err), k, described(wrote), described(to[i].SetDeadline(time.Time{})))
			})
		},
		"addresses": func(t *rapid.T) {
			both(t, "addresses", func(i int) string {
				return shape(from[i].LocalAddr()) + shape(from[i].RemoteAddr()) + fmt.Sprint(isNil(to[i].RemoteAddr()))
			})
		},
		"close": func(t *rapid.T) {
			if !closed && rapid.IntRange(0, 5).Draw(t, "chance") > 0 {
				t.Skip("not yet")
			}
			both(t, "Close", func(i int) string { return described(to[i].Close()) })
			closed, waiting = true, 100 // nothing more is sent
		},
	})
}

func isNil(a net.Addr) bool { return a == nil || reflect.ValueOf(a).IsNil() }

// addrOf is what an error says of its addresses.
func addrOf(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) {
		return "none"
	}
	return fmt.Sprint(op.Source, " ", op.Addr)
}

func isLike(err, like error) bool { return errors.Is(err, like) }
