package main

import (
	"io"
	"net"
	"os"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/tests/bench/sockets"
	"golang.org/x/sys/unix"
)

func readyEsock() (operation, error) {
	a, b, err := sockets.EsockPair(esock.SeqPacket)
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := a.Send(buf, 0, esock.Forever); err != nil {
			return err
		}
		_, err := b.Recv(buf, 0, esock.Forever)
		return err
	}}, err
}

func readyNet() (operation, error) {
	a, b, err := sockets.NetPair(unix.SOCK_SEQPACKET)
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := a.Write(buf); err != nil {
			return err
		}
		_, err := b.Read(buf)
		return err
	}}, err
}

func readySys() (operation, error) {
	fds, err := sockets.UnixPair(unix.SOCK_SEQPACKET)
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := unix.Write(fds[0], buf); err != nil {
			return err
		}
		_, err := unix.Read(fds[1], buf)
		return err
	}}, err
}

func readyBare() (operation, error) {
	fds, err := sockets.UnixPair(unix.SOCK_SEQPACKET)
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if err := bareWrite(fds[0], buf); err != nil {
			return err
		}
		return bareRead(fds[1], buf)
	}}, err
}

func blockedEsock() (operation, error) {
	a, b, err := sockets.EsockTCP()
	return thereAndBack(esockSide(a, nil), esockSide(b, nil)), err
}

func blockedNet() (operation, error) {
	a, b, err := sockets.NetTCP()
	return thereAndBack(side{a.Write, a.Read}, side{b.Write, b.Read}), err
}

// deadlineEsock and deadlineNet set a deadline before each receive, as many servers do.
func deadlineEsock() (operation, error) {
	a, b, err := sockets.EsockTCP()
	return thereAndBack(esockSide(a, a.SetReadDeadline), esockSide(b, b.SetReadDeadline)), err
}

func deadlineNet() (operation, error) {
	a, b, err := sockets.NetTCP()
	return thereAndBack(side{a.Write, after(a.SetReadDeadline, a.Read)}, side{b.Write, after(b.SetReadDeadline, b.Read)}), err
}

// side is one end of a connection.
type side struct{ send, receive func([]byte) (int, error) }

func esockSide(s *esock.Socket, setDeadline func(time.Time) error) side {
	return side{
		func(b []byte) (int, error) { return s.Send(b, 0, esock.Forever) },
		after(setDeadline, func(b []byte) (int, error) { return s.Recv(b, 0, esock.Forever) }),
	}
}

// after receives after a deadline has been set, if there is a function that does.
func after(setDeadline func(time.Time) error, receive func([]byte) (int, error)) func([]byte) (int, error) {
	if setDeadline == nil {
		return receive
	}
	return func(b []byte) (int, error) {
		if err := setDeadline(time.Now().Add(time.Minute)); err != nil {
			return 0, err
		}
		return receive(b)
	}
}

// thereAndBack sends a message and waits until it comes back.
func thereAndBack(a, b side) operation {
	go func() {
		buf := make([]byte, sockets.Message)
		for {
			n, err := b.receive(buf)
			if err == nil {
				_, err = b.send(buf[:n])
			}
			if err != nil {
				fail(err)
			}
		}
	}()
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := a.send(buf); err != nil {
			return err
		}
		_, err := a.receive(buf)
		return err
	}}
}

const chunk = 1 << 20

func streamEsock() (operation, error) {
	a, b, err := sockets.EsockTCP()
	if err != nil {
		return operation{}, err
	}
	in := make([]byte, chunk)
	return streamed(func(buf []byte) (int, error) { return a.Send(buf, 0, esock.Forever) },
		func() (int, error) { return b.Recv(in, 0, esock.Forever) }), nil
}

func streamNet() (operation, error) {
	a, b, err := sockets.NetTCP()
	if err != nil {
		return operation{}, err
	}
	in := make([]byte, chunk)
	return streamed(a.Write, func() (int, error) { return b.Read(in) }), nil
}

// streamed sends one chunk, which is received by another goroutine.
func streamed(write func([]byte) (int, error), read func() (int, error)) operation {
	whole := make(chan struct{})
	go func() {
		for {
			for left := chunk; left > 0; {
				n, err := read()
				if err != nil {
					fail(err)
				}
				left -= n
			}
			whole <- struct{}{}
		}
	}()
	buf := make([]byte, chunk)
	return operation{run: func() error {
		_, err := write(buf)
		<-whole
		return err
	}}
}

// fileSize fits into the buffer of a unix stream.
const fileSize = 64 << 10

// inFile makes a file, and receives what is sent of it, before the next is sent.
func inFile(out int) (f *os.File, drain func() error, err error) {
	f, err = os.CreateTemp("", "esock-count")
	if err != nil {
		return nil, nil, err
	}
	os.Remove(f.Name())
	buf := make([]byte, fileSize)
	_, err = f.Write(buf)
	first := true
	return f, func() error {
		if first {
			first = false
			return nil
		}
		for left := fileSize; left > 0; {
			n, err := unix.Read(out, buf)
			if err != nil {
				return err
			}
			left -= n
		}
		return nil
	}, err
}

func sendfileEsock() (operation, error) {
	fds, err := sockets.UnixPair(unix.SOCK_STREAM)
	if err != nil {
		return operation{}, err
	}
	s, err := esock.Adopt(fds[0])
	if err != nil {
		return operation{}, err
	}
	f, drain, err := inFile(fds[1])
	return operation{drain, func() error {
		_, err := s.SendFile(f, 0, fileSize, esock.Forever)
		return err
	}}, err
}

func sendfileNet() (operation, error) {
	fds, err := sockets.UnixPair(unix.SOCK_STREAM)
	if err != nil {
		return operation{}, err
	}
	c, err := net.FileConn(os.NewFile(uintptr(fds[0]), "pair"))
	if err != nil {
		return operation{}, err
	}
	f, drain, err := inFile(fds[1])
	return operation{drain, func() error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.Copy(c, f)
		return err
	}}, err
}

func sendfileSys() (operation, error) {
	fds, err := sockets.UnixPair(unix.SOCK_STREAM)
	if err != nil {
		return operation{}, err
	}
	f, drain, err := inFile(fds[1])
	return operation{drain, func() error {
		var from int64
		_, err := unix.Sendfile(fds[0], int(f.Fd()), &from, fileSize)
		return err
	}}, err
}
