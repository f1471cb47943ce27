package unchanged

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/tuntest"
)

// The rows of build/bench that need the programs of this module. The benchmark starts this test program with what to run in
// ESOCK_SPEED, tells it how much, and reads what it took: both ends run here.
const speedVariable = "ESOCK_SPEED"

// speeds are what can be run, on sockets of netconn or, without it, as the program does by itself.
var speeds = map[string]func(t testing.TB, netconn bool) (turn func(n int) error, done func()){
	"quic":      speedOfQUIC,
	"wireguard": speedOfWireGuard,
}

// speedMain answers each number on standard input with the costs of a turn.
func speedMain(what string) {
	name, by, _ := strings.Cut(what, " ")
	turn, done := speeds[name](speedTB{}, by == "netconn")
	defer done()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		n, err := strconv.Atoi(in.Text())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		cpu, start := processorTime(), time.Now()
		if err == nil {
			err = turn(n)
		}
		took, used := time.Since(start), processorTime()-cpu
		runtime.ReadMemStats(&after)
		require.NoError(speedTB{}, err)
		json.NewEncoder(os.Stdout).Encode([]int64{took.Nanoseconds(), used.Nanoseconds(), int64(after.Mallocs - before.Mallocs)})
	}
}

// speedTB is for the helpers of tests where no test runs.
type speedTB struct{ testing.TB }

func (speedTB) Helper()                        {}
func (speedTB) Cleanup(func())                 {}
func (speedTB) Errorf(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) }
func (speedTB) FailNow()                       { os.Exit(1) }

// processorTime is what this process has used, in the kernel and outside.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// speedOfQUIC sends n MiB over a stream of a connection.
func speedOfQUIC(t testing.TB, netconn bool) (turn func(n int) error, done func()) {
	socket := func() net.PacketConn {
		if netconn {
			return packets(t, "udp4")
		}
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		return c
	}
	server, trust := certificates(t, "esock")
	st, ct := &quic.Transport{Conn: socket()}, &quic.Transport{Conn: socket()}
	l, err := st.Listen(server, nil)
	require.NoError(t, err)
	c, err := ct.Dial(background, l.Addr(), trust, nil)
	require.NoError(t, err)
	s, err := l.Accept(background)
	require.NoError(t, err)
	data := make([]byte, 1<<20)
	turn = func(n int) error {
		received := make(chan error, 1)
		go func() {
			r, err := s.AcceptUniStream(background)
			var got int64
			if err == nil {
				got, err = io.Copy(io.Discard, r)
			}
			if err == nil && got != int64(n)<<20 {
				err = io.ErrUnexpectedEOF
			}
			received <- err
		}()
		w, err := c.OpenUniStreamSync(background)
		if err != nil {
			return err
		}
		for range n {
			if _, err := w.Write(data); err != nil {
				return err
			}
		}
		return errors.Join(w.Close(), <-received)
	}
	return turn, func() {
		c.CloseWithError(0, "")
		l.Close()
		st.Close()
		ct.Close()
		st.Conn.Close()
		ct.Conn.Close()
	}
}

// speedOfWireGuard sends n packets of 1,400 bytes through a tunnel, up to 64 at a time.
func speedOfWireGuard(t testing.TB, netconn bool) (turn func(n int) error, done func()) {
	const inFlight, size = 64, 1400
	newBind := func() conn.Bind {
		if netconn {
			return &bind{}
		}
		return conn.NewStdNetBind()
	}
	var keys [2]*ecdh.PrivateKey
	for i := range keys {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		require.NoError(t, err)
		keys[i] = key
	}
	ips := [2]netip.Addr{netip.MustParseAddr("1.0.0.1"), netip.MustParseAddr("1.0.0.2")}
	var tuns [2]*tuntest.ChannelTUN
	var devices [2]*device.Device
	for i := range devices {
		tuns[i] = tuntest.NewChannelTUN()
		devices[i] = device.NewDevice(tuns[i].TUN(), newBind(), device.NewLogger(device.LogLevelSilent, ""))
		require.NoError(t, devices[i].IpcSet(fmt.Sprintf("private_key=%s\nlisten_port=0\npublic_key=%s\nprotocol_version=1\nallowed_ip=%s/32\n",
			hex.EncodeToString(keys[i].Bytes()), hex.EncodeToString(keys[1-i].PublicKey().Bytes()), ips[1-i])))
		require.NoError(t, devices[i].Up())
	}
	for i := range devices {
		state, err := devices[1-i].IpcGet()
		require.NoError(t, err)
		_, port, found := strings.Cut(state, "listen_port=")
		require.True(t, found)
		port, _, _ = strings.Cut(port, "\n")
		require.NoError(t, devices[i].IpcSet(fmt.Sprintf("public_key=%s\nendpoint=127.0.0.1:%s\n",
			hex.EncodeToString(keys[1-i].PublicKey().Bytes()), port)))
	}
	packet := make([]byte, size)
	packet[0] = 4<<4 | 5
	binary.BigEndian.PutUint16(packet[2:], size)
	*(*[4]byte)(packet[12:]), *(*[4]byte)(packet[16:]) = ips[0].As4(), ips[1].As4()
	turn = func(n int) error {
		ctx, cancel := context.WithTimeout(background, patience)
		defer cancel()
		room := make(chan struct{}, inFlight)
		go func() {
			for range n {
				select {
				case room <- struct{}{}:
				case <-ctx.Done():
					return
				}
				select {
				case tuns[0].Outbound <- packet:
				case <-ctx.Done():
					return
				}
			}
		}()
		for i := range n {
			select {
			case <-tuns[1].Inbound:
				<-room
			case <-ctx.Done():
				return fmt.Errorf("%d packets of %d: %w", i, n, ctx.Err())
			}
		}
		return nil
	}
	return turn, func() {
		for _, d := range devices {
			d.Close()
		}
	}
}
