package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/bytesize"
	"github.com/esock-go/esock/sockopt"
)

type sendfileCmd struct {
	Host string        `arg:"" help:"A host name or address, or HOST:PORT, which the file follows."`
	Port string        `arg:"" help:"A port number or the name of a service."`
	File string        `arg:"" optional:"" help:"The file to send."`
	Wait time.Duration `short:"w" placeholder:"TIME" help:"Give up when the peer confirms nothing for this long. By default the system decides: about 15 minutes if the peer does not answer, never if it answers but does not read."`
}

// Help is what --help adds.
func (sendfileCmd) Help() string {
	return "Connects, sends the file with sendfile(2) and without framing, and waits until the peer's system has confirmed " +
		"all of it and the end. Only then does it say that the file was sent, and exit with 0. Numbers of bytes, on the way and " +
		"in errors, are those that were confirmed."
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
	words, file := []string{c.Host, c.Port}, c.File
	if file == "" { // not given: an empty name is refused before
		words, file = words[:1], c.Port
	}
	host, port, err := splitAddress(words)
	switch {
	case err != nil:
		return err
	case file == "":
		return usagef("the name of the file is empty")
	}
	if c.Wait < 0 {
		return usagef("--wait: a time of %v is too short", c.Wait)
	}
	// The file is opened first: a mistake in its name is reported at once.
	d := demo{path: file}
	if err := d.openFile(); err != nil {
		d.close()
		return err
	}
	defer d.close()
	s, err := dial(ctx, host, port, gentcp.ExitOnClose(false), gentcp.ShowEconnreset(true))
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before the connection was established")
	} else if err != nil {
		return err
	}
	defer s.Close()
	if c.Wait > 0 { // the kernel knows milliseconds, and takes 0 for its own time
		if err := sockopt.TCPUserTimeout.Set(s.Socket(), max(c.Wait, time.Millisecond)); err != nil {
			return usagef("--wait: the system does not take %v", c.Wait)
		}
	}
	// The deadline ends every wait. The socket stays open, so that it can say what was confirmed.
	defer context.AfterFunc(ctx, func() { s.Socket().SetDeadline(time.Unix(1, 0)) })()

	x := transfer{sock: s, bar: newProgress(&step{r: newReport(out, !out.terminal)}, d.size)}
	begin := time.Now()
	err = x.send(d.file, d.size)
	if err == nil {
		err = x.confirm(ctx)
	}
	took := time.Since(begin)
	if err != nil {
		x.look()
	}
	x.bar.done()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted after the peer had confirmed %d of %d bytes", x.confirmed, d.size)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ENOTCONN):
		return fmt.Errorf("the peer reset the connection after it had confirmed %d of %d bytes", x.confirmed, d.size)
	case errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Errorf("the peer confirms no more: %d of %d bytes were confirmed", x.confirmed, d.size)
	case err != nil:
		return fmt.Errorf("after the peer had confirmed %d of %d bytes: %w", x.confirmed, d.size, why(err))
	case x.sent < d.size:
		return fmt.Errorf("the file became shorter: only %d of %d bytes were left", x.sent, d.size)
	}
	return writeSent(out, x.sent, took)
}

// writeSent writes how much was sent, and how fast.
func writeSent(out *output, bytes int64, took time.Duration) error {
	text := fmt.Sprintf("%s sent and confirmed in %s, %s a second", count(int(bytes), "byte"), duration(took),
		bytesize.Text(int64(float64(bytes)/max(took.Seconds(), 1e-6))))
	return out.writeLines(out.wrap(text, 0))
}

// transfer is a file on its way.
type transfer struct {
	sock      *gentcp.Socket
	bar       *progress
	sent      int64 // what the kernel has taken
	ended     bool  // the end was sent, too
	confirmed int64 // what the peer's system has acknowledged
}

// send sends the file's first size bytes. Size 0 means up to the end, because files that the kernel makes up, as in /proc,
// have that size too. A peer that shuts down its sending side is no error: it may still read.
func (x *transfer) send(f *os.File, size int64) (err error) {
	if size == 0 {
		x.sent, err = x.sock.SendFile(f, 0, 0)
		return err
	}
	for x.sent < size {
		n, err := x.sock.SendFile(f, x.sent, min(pieceSent, size-x.sent))
		x.sent += n
		if err != nil || n == 0 {
			return err
		}
		if _, err := x.look(); err != nil {
			return err
		}
	}
	return nil
}

// look asks the kernel what the peer's system has not acknowledged yet. The end counts as a byte.
func (x *transfer) look() (left int64, err error) {
	n, err := x.sock.Socket().NWrite()
	if err != nil {
		return 0, err
	}
	left = int64(n)
	if data := x.sent - left; x.ended && left > 0 {
		x.confirmed = max(x.confirmed, data+1)
	} else {
		x.confirmed = max(x.confirmed, data)
	}
	x.bar.at(x.confirmed)
	return left, nil
}

// confirm sends the end, and waits until the peer's system has acknowledged everything. What the peer sends is discarded.
func (x *transfer) confirm(ctx context.Context) error {
	if err := x.sock.Shutdown(esock.ShutWrite); err != nil {
		return err
	}
	x.ended = true
	buf := make([]byte, chunk)
	silent := false // the peer has ended its own direction
	// The kernel does not report when the send queue becomes empty, so it is polled, less and less often.
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left, err := x.look()
		if err != nil || left == 0 {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if silent {
			if errno, err := sockopt.SocketError.Get(x.sock.Socket()); err != nil || errno != 0 {
				return firstError(err, errno)
			}
			time.Sleep(pause)
			continue
		}
		switch _, err := x.sock.RecvInto(buf, 0, esock.Within(pause)); {
		case err == nil, errors.Is(err, esock.ErrTimeout):
		case errors.Is(err, io.EOF):
			silent = true // it may still read
		default:
			return err
		}
	}
}
