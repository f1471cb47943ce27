package netconn

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Random programs on unix sockets of messages, and on listeners, as those of differential_test.go.

// unixMessages is what both packages have.
type unixMessages interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	ReadMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error)
	WriteMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error)
}

// unixDatagrams is what both packages have.
type unixDatagrams interface {
	unixMessages
	net.PacketConn
	ReadFromUnix(b []byte) (int, *net.UnixAddr, error)
	WriteToUnix(b []byte, addr *net.UnixAddr) (int, error)
}

var (
	_ unixMessages  = (*net.UnixConn)(nil)
	_ unixMessages  = (*UnixConn)(nil)
	_ unixDatagrams = (*net.UnixConn)(nil)
	_ unixDatagrams = (*UnixgramConn)(nil)
)

// compared makes a call on both sides.
func compared(t *rapid.T, what string, call func(i int) string) {
	if want, got := call(0), call(1); want != got {
		t.Fatalf("%s: net has\n%s\nand netconn\n%s", what, want, got)
	}
}

func TestUnixMessagesDoAsThoseOfNet(t *testing.T) {
	dir := t.TempDir()
	paths := 0
	path := func() string { paths++; return filepath.Join(dir, fmt.Sprint(paths)) }
	t.Run("unixpacket", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			var from, to [2]unixMessages
			for i, s := range sides {
				l, err := s.listen("unixpacket", path())
				require.NoError(t, err)
				d, err := s.dial("unixpacket", l.Addr().String())
				require.NoError(t, err)
				defer d.Close()
				a, err := l.Accept()
				require.NoError(t, err)
				defer a.Close()
				require.NoError(t, l.Close())
				from[i], to[i] = d.(unixMessages), a.(unixMessages)
			}
			runMessages(t, from, to, true)
		})
	})
	for _, connected := range []bool{false, true} {
		t.Run(fmt.Sprintf("unixgram connected=%t", connected), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var from, to [2]unixMessages
				for i, s := range sides {
					p, err := s.packet("unixgram", path())
					require.NoError(t, err)
					defer p.Close()
					to[i] = p.(unixMessages)
					if connected {
						d, err := s.dial("unixgram", p.LocalAddr().String())
						require.NoError(t, err)
						defer d.Close()
						from[i] = d.(unixMessages)
					} else {
						q, err := s.packet("unixgram", path())
						require.NoError(t, err)
						defer q.Close()
						from[i] = q.(unixMessages)
					}
				}
				runMessages(t, from, to, false)
			})
		})
	}
}

// runMessages sends from one socket to another. Sequenced packets have an end, and no empty messages here: for package net
// they are the end.
func runMessages(t *rapid.T, from, to [2]unixMessages, sequenced bool) {
	waiting, closed, ended, noRead := 0, false, false, false
	least := 0
	if sequenced {
		least = 1
	}
	kinds := []string{"Write", "WriteMsgUnix", "WriteMsgUnix nil", "WriteTo", "WriteToUnix", "WriteTo another type", "WriteToUnix nil",
		"WriteToUnix another network", "WriteMsgUnix with junk"}
	reads := []string{"Read", "ReadMsgUnix", "ReadMsgUnix with room", "ReadFrom", "ReadFromUnix"}
	if sequenced {
		kinds, reads = []string{"Write", "WriteMsgUnix nil", "WriteMsgUnix with junk"}, reads[:3]
	}
	if !sequenced && !isNil(from[0].RemoteAddr()) {
		kinds = append(kinds[:1], kinds[3:8]...) // package net has no control messages for connected ones
	}
	t.Repeat(map[string]func(*rapid.T){
		"write": func(t *rapid.T) {
			kind := rapid.SampledFrom(kinds).Draw(t, "kind")
			b := make([]byte, rapid.IntRange(least, 100).Draw(t, "n"))
			if waiting >= 5 && !ended || noRead || closed { // the queue of datagrams has room for ten or so
				t.Skip("would wait, or has no result that is known")
			}
			sent := false
			compared(t, kind, func(i int) string {
				var n, oobn int
				var err error
				a := &net.UnixAddr{Name: to[i].LocalAddr().String(), Net: to[i].LocalAddr().Network()}
				switch kind {
				case "Write":
					n, err = from[i].Write(b)
				case "WriteMsgUnix":
					n, oobn, err = from[i].WriteMsgUnix(b, nil, a)
				case "WriteMsgUnix nil":
					n, oobn, err = from[i].WriteMsgUnix(b, nil, nil)
				case "WriteMsgUnix with junk":
					n, oobn, err = from[i].WriteMsgUnix(b, []byte{1}, nil)
				case "WriteTo":
					n, err = from[i].(unixDatagrams).WriteTo(b, a)
				case "WriteToUnix":
					n, err = from[i].(unixDatagrams).WriteToUnix(b, a)
				case "WriteTo another type":
					n, err = from[i].(unixDatagrams).WriteTo(b, &net.UDPAddr{})
				case "WriteToUnix nil":
					n, err = from[i].(unixDatagrams).WriteToUnix(b, nil)
				case "WriteToUnix another network":
					a.Net = "unix"
					n, err = from[i].(unixDatagrams).WriteToUnix(b, a)
				}
				sent = err == nil
				return fmt.Sprint(n, oobn, described(err))
			})
			if sent {
				waiting++
			}
		},
		"read": func(t *rapid.T) {
			kind := rapid.SampledFrom(reads).Draw(t, "kind")
			size := rapid.IntRange(1, 120).Draw(t, "size")
			over := closed || sequenced && ended || noRead
			if waiting == 0 && !over {
				t.Skip("would wait")
			}
			compared(t, kind, func(i int) string {
				b := make([]byte, size)
				var n, oobn, flags int
				var err error
				var addr net.Addr
				var unix *net.UnixAddr
				switch kind {
				case "Read":
					n, err = to[i].Read(b)
				case "ReadMsgUnix":
					n, oobn, flags, unix, err = to[i].ReadMsgUnix(b, nil)
				case "ReadMsgUnix with room":
					n, oobn, flags, unix, err = to[i].ReadMsgUnix(b, make([]byte, 64))
				case "ReadFrom":
					n, addr, err = to[i].(unixDatagrams).ReadFrom(b)
				case "ReadFromUnix":
					n, unix, err = to[i].(unixDatagrams).ReadFromUnix(b)
				}
				if unix != nil {
					addr = unix
				}
				if isLike(err, io.EOF) { // package net wraps it here, and only here
					return fmt.Sprint(n, oobn, io.EOF)
				}
				return fmt.Sprint(n, oobn, flags&^syscall.MSG_CMSG_CLOEXEC, shape(addr), described(err)) // that flag is what the call asked for
			})
			if !closed && waiting > 0 {
				waiting--
			}
		},
		"past deadline": func(t *rapid.T) {
			compared(t, "a past deadline", func(i int) string {
				set := to[i].SetDeadline(time.Now().Add(-time.Second))
				n, _, _, _, err := to[i].ReadMsgUnix(make([]byte, 5), nil)
				k, wrote := to[i].Write([]byte("x"))
				return fmt.Sprint(described(set), n, described(err), k, described(wrote), described(to[i].SetDeadline(time.Time{})))
			})
		},
		"addresses": func(t *rapid.T) {
			compared(t, "addresses", func(i int) string {
				return shape(from[i].LocalAddr()) + fmt.Sprint(isNil(from[i].RemoteAddr()), isNil(to[i].RemoteAddr())) + shape(to[i].LocalAddr())
			})
		},
		"raw calls": func(t *rapid.T) {
			compared(t, "SyscallConn", func(i int) string {
				s := &script{}
				sayRaw(s, to[i], true)
				return fmt.Sprint(s.said)
			})
		},
		"end": func(t *rapid.T) {
			if closed || rapid.IntRange(0, 5).Draw(t, "chance") > 0 {
				t.Skip("not yet")
			}
			compared(t, "CloseWrite", func(i int) string { return described(from[i].CloseWrite()) })
			if !sequenced && isNil(from[0].RemoteAddr()) {
				return // which the kernel refuses
			}
			ended = true
		},
		"close read": func(t *rapid.T) {
			if !sequenced || closed || rapid.IntRange(0, 5).Draw(t, "chance") > 0 {
				t.Skip("not yet")
			}
			compared(t, "CloseRead", func(i int) string { return described(to[i].CloseRead()) })
			noRead = true
		},
		"close": func(t *rapid.T) {
			if !closed && (waiting > 0 || rapid.IntRange(0, 5).Draw(t, "chance") > 0) {
				t.Skip("not yet")
			}
			compared(t, "Close", func(i int) string { return described(to[i].Close()) })
			closed = true
		},
	})
}

func TestListenersDoAsThoseOfNet(t *testing.T) {
	dir := t.TempDir()
	paths := 0
	for _, network := range []string{"tcp4", "tcp6", "unix", "unixpacket"} {
		t.Run(network, func(t *testing.T) {
			free := addressOf(t, network)
			rapid.Check(t, func(t *rapid.T) {
				var ls [2]net.Listener
				path := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%d-%d", paths, i)) }
				paths++
				for i, s := range sides {
					address := free
					if network[0] == 'u' {
						address = path(i)
					}
					l, err := s.listen(network, address)
					require.NoError(t, err)
					defer l.Close()
					ls[i] = l
				}
				waiting, closed := 0, false
				var open []net.Conn
				defer func() {
					for _, c := range open {
						if o, ok := c.(tcpOptions); ok && isTCP(c) {
							o.SetLinger(0) // leaves no TIME_WAIT, of which the machine has only so many
						}
						c.Close()
					}
				}()
				t.Repeat(map[string]func(*rapid.T){
					"dial": func(t *rapid.T) {
						if waiting > 3 {
							t.Skip("enough")
						}
						compared(t, "Dial", func(i int) string {
							c, err := sides[i].dial(network, ls[i].Addr().String())
							if err != nil {
								return described(err)
							}
							open = append(open, c)
							return shape(c.LocalAddr()) + shape(c.RemoteAddr())
						})
						if !closed {
							waiting++
						}
					},
					"accept": func(t *rapid.T) {
						if waiting == 0 && !closed {
							t.Skip("would wait")
						}
						compared(t, "Accept", func(i int) string {
							c, err := ls[i].Accept()
							if err != nil {
								return described(err)
							}
							open = append(open, c)
							return shape(c.LocalAddr()) + shape(c.RemoteAddr())
						})
						waiting = max(waiting-1, 0)
					},
					"past deadline": func(t *rapid.T) {
						compared(t, "a past deadline", func(i int) string {
							d := ls[i].(interface{ SetDeadline(time.Time) error })
							set := d.SetDeadline(time.Now().Add(-time.Second))
							_, err := ls[i].Accept()
							return fmt.Sprint(set == nil, described(err), d.SetDeadline(time.Time{}) == nil)
						})
					},
					"address": func(t *rapid.T) {
						compared(t, "Addr", func(i int) string { return shape(ls[i].Addr()) })
					},
					"duplicate": func(t *rapid.T) {
						compared(t, "File", func(i int) string {
							f, err := ls[i].(interface{ File() (*os.File, error) }).File()
							if err == nil {
								f.Close()
							}
							return described(err)
						})
					},
					"raw calls": func(t *rapid.T) {
						compared(t, "SyscallConn", func(i int) string {
							s := &script{}
							sayRaw(s, ls[i], false)
							return fmt.Sprint(s.said)
						})
					},
					"close": func(t *rapid.T) {
						if !closed && rapid.IntRange(0, 5).Draw(t, "chance") > 0 {
							t.Skip("not yet")
						}
						compared(t, "Close", func(i int) string {
							said := described(ls[i].Close())
							if network[0] == 'u' {
								_, err := os.Stat(path(i))
								said += fmt.Sprint(os.IsNotExist(err))
							}
							return said
						})
						closed, waiting = true, 0
					},
				})
			})
		})
	}
}
