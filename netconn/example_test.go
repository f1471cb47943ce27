package netconn_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/sockopt"
)

// A server of net/http whose handlers reach the socket, and a client.
func Example() {
	type connKey struct{}
	l, err := netconn.ListenConfig{}.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := netconn.SocketOf(r.Context().Value(connKey{}))
			info, err := sockopt.TCPInfo.Get(s)
			fmt.Fprintln(w, "retransmissions:", info.TotalRetrans, err)
		}),
	}
	go server.Serve(l)
	defer server.Close()

	client := &http.Client{Transport: &http.Transport{DialContext: netconn.Dialer{}.DialContext, DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	io.Copy(os.Stdout, resp.Body)
	// Output: retransmissions: 0 <nil>
}

// The types are pointers, as those of package net.
func ExampleTCPConn() {
	l, err := netconn.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	c, err := netconn.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if t, ok := c.(*netconn.TCPConn); ok { // of net: c.(*net.TCPConn)
		fmt.Println(t.SetNoDelay(false))
	}
	// Output: <nil>
}

// The hook gets the socket before it is bound and connected.
func ExampleDialer_control() {
	l, err := netconn.ListenConfig{}.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	d := netconn.Dialer{Control: func(ctx context.Context, network, address string, s *esock.Socket) error {
		return sockopt.TCPUserTimeout.Set(s, 5*time.Second)
	}}
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	s, _ := netconn.SocketOf(c)
	fmt.Println(sockopt.TCPUserTimeout.Get(s))
	// Output: 5s <nil>
}

// Several sockets share a port, and the kernel spreads the connections over them.
func ExampleListenConfig_reusePort() {
	lc := netconn.ListenConfig{ReusePort: true}
	first, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Close()
	second, err := lc.Listen(context.Background(), "tcp", first.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer second.Close()
	fmt.Println(first.Addr().String() == second.Addr().String())
	// Output: true
}

// A connection goes to the listener of the processor that its packets arrive on: the program returns the number of the
// processor, which is that of the listener in its group.
func ExampleListenConfig_perProcessor() {
	lc := netconn.ListenConfig{ReusePort: true}
	address := "127.0.0.1:0"
	for i := range runtime.NumCPU() {
		l, err := lc.Listen(context.Background(), "tcp", address)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer l.Close()
		if i == 0 {
			address = l.Addr().String()
			err = sockopt.SocketAttachReusePortCBPF.Set(l.(*netconn.Listener).Socket(), []sockopt.SockFilter{
				{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0xfffff000 + 36}, // SKF_AD_OFF + SKF_AD_CPU
				{Code: unix.BPF_RET | unix.BPF_A},
			})
			if err != nil {
				fmt.Println(err)
				return
			}
		}
		go http.Serve(l, http.NotFoundHandler())
	}
	resp, err := http.Get("http://" + address)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(resp.Status)
	// Output: 404 Not Found
}

// What the service manager has passed, each as what it is.
func ExampleListenFDs() {
	passed, err := netconn.ListenFDs()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range passed {
		switch l, err := netconn.NewListener(a.Socket); {
		case err == nil:
			go http.Serve(l, http.NotFoundHandler())
		case a.Socket.Type() == esock.Dgram:
			c, err := netconn.NewPacketConn(a.Socket)
			fmt.Println(a.Name, c, err)
		default:
			c, err := netconn.NewConn(a.Socket)
			fmt.Println(a.Name, c, err)
		}
	}
	fmt.Println(len(passed))
	// Output: 0
}

// From a connection of package net to a socket, and so to its options.
func ExampleAdopt() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	s, err := netconn.Adopt(l.(*net.TCPListener))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	fmt.Println(sockopt.SocketAcceptConn.Get(s))
	// Output: true <nil>
}

// Datagrams with control messages, several in one system call.
func ExampleUDPConn_ReadBatch() {
	lc := netconn.ListenConfig{}
	c, err := lc.ListenPacket(context.Background(), "udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	u := c.(*netconn.UDPConn)
	out := []netconn.Message{{Buffers: [][]byte{[]byte("one")}, Addr: c.LocalAddr()}, {Buffers: [][]byte{[]byte("two")}, Addr: c.LocalAddr()}}
	for len(out) > 0 {
		n, err := u.WriteBatch(out, 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		out = out[n:]
	}
	in := make([]netconn.Message, 8)
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, 1500)}
	}
	for got := 0; got < 2; {
		n, err := u.ReadBatch(in, 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, m := range in[:n] {
			fmt.Println(string(m.Buffers[0][:m.N]))
		}
		got += n
	}
	// Output:
	// one
	// two
}
