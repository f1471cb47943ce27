package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

const piece = 64 << 10

// discard reads all that comes, and tells the end.
func discard(c net.Conn) <-chan error {
	end := make(chan error, 1)
	go func() {
		buf := make([]byte, chunk)
		for {
			if _, err := c.Read(buf); err != nil {
				if err == io.EOF || errors.Is(err, net.ErrClosed) {
					err = nil
				}
				end <- err
				return
			}
		}
	}()
	return end
}

// sending makes a session that sends to a reader which throws all away. The reader is of the same package.
func sending(m *maker, e effort, send func(c net.Conn) error) (*session, error) {
	a, b, err := m.pair()
	if err != nil {
		return nil, err
	}
	end := discard(b)
	return &session{costing(e, func(n int) error {
		for range n {
			if err := send(a); err != nil {
				return err
			}
		}
		return nil
	}), func() { a.Close(); <-end; b.Close() }}, nil
}

func connStream(m *maker, e effort) (*session, error) {
	buf := make([]byte, piece)
	return sending(m, e, func(c net.Conn) error {
		_, err := c.Write(buf)
		return err
	})
}

func connBuffers(m *maker, e effort) (*session, error) {
	const count, size = 64, 1024
	all := make(net.Buffers, count)
	for i := range all {
		all[i] = make([]byte, size)
	}
	rest := make(net.Buffers, count)
	return sending(m, e, func(c net.Conn) error {
		v := rest[:copy(rest, all)]
		n, err := m.buffers(c, &v)
		if err == nil && n != count*size {
			err = io.ErrShortWrite
		}
		return err
	})
}

func connFile(m *maker, e effort) (*session, error) {
	f, err := os.CreateTemp("", "esock-bench")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name())
	if _, err := f.Write(make([]byte, chunk)); err != nil {
		return nil, err
	}
	s, err := sending(m, e, func(c net.Conn) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return copied(c, f)
	})
	if err != nil {
		return nil, err
	}
	done := s.close
	s.close = func() { done(); f.Close() }
	return s, nil
}

// copied copies as programs do, and checks that it was a chunk.
func copied(to io.Writer, from io.Reader) error {
	n, err := io.Copy(to, from)
	if err == nil && n != chunk {
		err = fmt.Errorf("copied %d bytes", n)
	}
	return err
}

// connSplice copies what comes from one connection to another. The source and the sink are of the same package.
func connSplice(m *maker, e effort) (*session, error) {
	source, in, err := m.pair()
	if err != nil {
		return nil, err
	}
	out, sink, err := m.pair()
	if err != nil {
		return nil, err
	}
	end := discard(sink)
	more, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		buf := make([]byte, chunk)
		for range more {
			if _, err := source.Write(buf); err != nil {
				failed <- err
				return
			}
		}
	}()
	return &session{costing(e, func(n int) error {
		for range n {
			select {
			case more <- struct{}{}:
			case err := <-failed:
				return err
			}
			if err := copied(out, io.LimitReader(in, chunk)); err != nil {
				return err
			}
		}
		return nil
	}), func() { close(more); out.Close(); <-end; closer(source, in, sink)() }}, nil
}
