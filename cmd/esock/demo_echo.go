package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/esock-go/esock"
)

const echoText = "The client and the server from OTP's manual. The client sends a message, shuts down its sending side " +
	"and receives the answer; the server sends back what its first receive returns."

var echoMessage = []byte("hello")

func (d *demo) echoTCP4() error {
	st := d.step("echo_tcp4", "Echo over TCP, IPv4", echoText)
	return d.echo(st, "tcp4", esock.Inet, esock.TCP, esock.Inet4Addr(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0))
}

func (d *demo) echoTCP6() error {
	st := d.step("echo_tcp6", "Echo over TCP, IPv6", "The same, with another domain and another address.")
	if d.without6(st) {
		return nil
	}
	return d.echo(st, "tcp6", esock.Inet6, esock.TCP, esock.Inet6Addr(netip.IPv6Loopback(), 0, 0))
}

func (d *demo) echoUnix() error {
	st := d.step("echo_unix", "Echo over a unix socket", "The same, with a path in the file system as the address.")
	dir, err := os.MkdirTemp("", "esock-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "echo")
	if len(path) > 107 { // sun_path and its NUL
		return d.echo(st, "unix", esock.Local, esock.Default, esock.AbstractAddr("esock-echo-"+filepath.Base(dir)))
	}
	return d.echo(st, "unix", esock.Local, esock.Default, esock.UnixAddr(path))
}

// echo runs the server and the client at the same time.
func (d *demo) echo(st *step, name string, domain esock.Domain, protocol esock.Protocol, addr esock.Addr) error {
	st.between("server", "client")
	begin := time.Now()
	ready := make(chan esock.Addr, 1)
	served := make(chan error, 1)
	go func() {
		defer close(ready)
		served <- d.echoServer(st, name, domain, protocol, addr, ready)
	}()
	var answer []byte
	var err error
	at, ok := <-ready
	if ok {
		answer, err = d.echoClient(st, name, domain, protocol, at)
	}
	if err = firstError(<-served, err); err != nil {
		return err
	}
	took := time.Since(begin)
	if !bytes.Equal(answer, echoMessage) {
		return fmt.Errorf("the client sent %q and got %q", echoMessage, answer)
	}
	st.r.line("")
	st.fact("address", at)
	st.fact("message", string(echoMessage), quote(echoMessage))
	st.fact("answer", string(answer), quote(answer)+", as it should be")
	st.fact("elapsed", took.Seconds(), duration(took)+", from the first open to the last close")
	return nil
}

// echoServer is the server from the manual. It sends its address on ready once it listens.
func (d *demo) echoServer(st *step, name string, domain esock.Domain, protocol esock.Protocol, addr esock.Addr,
	ready chan<- esock.Addr) error {
	const who = "server"
	listener, err := d.keep(name + " listen")(esock.Open(domain, esock.Stream, protocol))
	if err != nil {
		return err
	}
	defer listener.Close() // where something fails
	st.call(who, openCall(domain, protocol), listener.String())
	if err := listener.Bind(addr); err != nil {
		return err
	}
	at, err := listener.SockName()
	if err != nil {
		return err
	}
	st.call(who, "bind", at.String())
	if err := listener.Listen(5); err != nil {
		return err
	}
	st.call(who, "listen", "ok")
	ready <- at

	conn, err := d.keep(name + " server")(listener.Accept(patience))
	if err != nil {
		return err
	}
	defer conn.Close()
	st.call(who, "accept", conn.String())
	msg, err := conn.RecvBytes(0, 0, patience)
	if err != nil {
		return err
	}
	st.call(who, "recv", quote(msg))
	if err := st.send(who, conn, msg); err != nil {
		return err
	}
	if err := st.close(who, conn); err != nil {
		return err
	}
	return st.close(who, listener)
}

// echoClient is the client from the manual. It returns the answer.
func (d *demo) echoClient(st *step, name string, domain esock.Domain, protocol esock.Protocol, to esock.Addr) ([]byte, error) {
	const who = "client"
	s, err := d.keep(name + " client")(esock.Open(domain, esock.Stream, protocol))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	st.call(who, openCall(domain, protocol), s.String())
	if err := st.act(who, "connect", func() (string, error) { return to.String(), s.Connect(to, patience) }); err != nil {
		return nil, err
	}
	if err := st.send(who, s, echoMessage); err != nil {
		return nil, err
	}
	if err := st.act(who, "shutdown(write)", func() (string, error) { return "ok", s.Shutdown(esock.ShutWrite) }); err != nil {
		return nil, err
	}
	answer, err := s.RecvBytes(0, 0, patience)
	if err != nil {
		return nil, err
	}
	st.call(who, "recv", quote(answer))
	return answer, st.close(who, s)
}

func openCall(domain esock.Domain, protocol esock.Protocol) string {
	if protocol == esock.Default {
		return fmt.Sprintf("open(%v, stream)", domain)
	}
	return fmt.Sprintf("open(%v, stream, %v)", domain, protocol)
}

// send sends all of data, and reports the call.
func (st *step) send(who string, s *esock.Socket, data []byte) error {
	return st.act(who, "send "+quote(data), func() (string, error) {
		n, err := s.Send(data, 0, patience)
		return count(n, "byte"), err
	})
}

// close closes a socket, and reports the call.
func (st *step) close(who string, s *esock.Socket) error {
	return st.act(who, "close "+s.String(), func() (string, error) { return "ok", s.Close() })
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
