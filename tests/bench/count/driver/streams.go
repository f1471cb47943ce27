package main

import (
	"io"
	"net"
	"os"

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
	if err != nil {
		return operation{}, err
	}
	go func() {
		buf := make([]byte, sockets.Message)
		for {
			n, err := b.Recv(buf, 0, esock.Forever)
			if err == nil {
				_, err = b.Send(buf[:n], 0, esock.Forever)
			}
			if err != nil {
				fail(err)
			}
		}
	}()
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := a.Send(buf, 0, esock.Forever); err != nil {
			return err
		}
		_, err := a.Recv(buf, 0, esock.Forever)
		return err
	}}, nil
}

func blockedNet() (operation, error) {
	a, b, err := sockets.NetTCP()
	if err != nil {
		return operation{}, err
	}
	go func() {
		buf := make([]byte, sockets.Message)
		for {
			n, err := b.Read(buf)
			if err == nil {
				_, err = b.Write(buf[:n])
			}
			if err != nil {
				fail(err)
			}
		}
	}()
	buf := make([]byte, sockets.Message)
	return operation{run: func() error {
		if _, err := a.Write(buf); err != nil {
			return err
		}
		_, err := a.Read(buf)
		return err
	}}, nil
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
