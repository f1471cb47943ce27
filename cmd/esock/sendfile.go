package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/bytesize"
	"github.com/esock-go/esock/sockopt"
)

type sendfileCmd struct {
	Host string `arg:"" help:"A host name or address."`
	Port string `arg:"" help:"A port number or the name of a service."`
	File string `arg:"" help:"The file to send."`
}

// Help is what --help adds.
func (sendfileCmd) Help() string {
	return "Connects, sends the file with sendfile(2) and without framing, and waits until the peer has acknowledged " +
		"all of it."
}

// pieceSent is how much of the file one call sends: little enough for the bar to move on a slow network.
const pieceSent = 256 << 10

func (c *sendfileCmd) Run(out *output) error {
	ctx, stop := untilSignal()
	defer stop()
	return c.sendfile(ctx, out)
}

// sendfile sends the file, and prints how fast it was. A transfer that ctx interrupts has failed.
func (c *sendfileCmd) sendfile(ctx context.Context, out *output) error {
	if c.File == "" {
		return usagef("the name of the file is empty")
	}
	// The file is opened first: a mistake in its name is reported at once.
	d := demo{path: c.File}
	if err := d.openFile(); err != nil {
		d.close()
		return err
	}
	defer d.close()
	s, err := dial(ctx, c.Host, c.Port, gentcp.ExitOnClose(false), gentcp.ShowEconnreset(true))
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before the connection was established")
	} else if err != nil {
		return err
	}
	end := sync.OnceFunc(func() { s.Close() }) // a second call waits until the first is done
	defer end()
	defer context.AfterFunc(ctx, end)()

	bar := newProgress(&step{r: newReport(out, !out.terminal)}, d.size)
	begin := time.Now()
	sent, err := pieces(s, d.file, d.size, bar)
	if err == nil {
		err = acknowledged(s)
	}
	took := time.Since(begin)
	bar.done()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted after %d of %d bytes", sent, d.size)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ENOTCONN):
		return fmt.Errorf("the peer reset the connection after %d of %d bytes", sent, d.size)
	case err != nil:
		return why(err)
	case sent < d.size:
		return fmt.Errorf("the file became shorter: only %d of %d bytes were left", sent, d.size)
	}
	_, err = fmt.Fprintf(out, "%d bytes sent in %s, %s a second\n", sent, duration(took),
		bytesize.Text(int64(float64(sent)/max(took.Seconds(), 1e-6))))
	return err
}

// pieces sends the file's first size bytes. Size 0 means up to the end, because files that the kernel makes up, as in
// /proc, have that size too. A peer that shuts down its sending side is no error: it may still read.
func pieces(s *gentcp.Socket, f *os.File, size int64, bar *progress) (sent int64, err error) {
	if size == 0 {
		return s.SendFile(f, 0, 0)
	}
	for sent < size {
		n, err := s.SendFile(f, sent, min(pieceSent, size-sent))
		sent += n
		bar.at(sent)
		if err != nil || n == 0 {
			return sent, err
		}
	}
	return sent, nil
}

// acknowledged shuts down the sending side, and waits until the peer's system has acknowledged everything. What the peer
// sends is discarded.
func acknowledged(s *gentcp.Socket) error {
	if err := s.Shutdown(esock.ShutWrite); err != nil {
		return err
	}
	buf := make([]byte, chunk)
	ended := false
	// The kernel does not report when the send queue becomes empty, so it is polled, less and less often.
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left, err := s.Socket().NWrite()
		if err != nil || left == 0 {
			return err
		}
		if ended {
			if errno, err := sockopt.SocketError.Get(s.Socket()); err != nil || errno != 0 {
				return firstError(err, syscall.ECONNRESET)
			}
			time.Sleep(pause)
			continue
		}
		switch _, err := s.RecvInto(buf, 0, esock.Within(pause)); {
		case err == nil, errors.Is(err, esock.ErrTimeout):
		case errors.Is(err, io.EOF):
			ended = true // it may still read
		default:
			return err
		}
	}
}
