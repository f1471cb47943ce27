package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/esock-go/esock"
)

type demoCmd struct {
	File string `arg:"" optional:"" help:"The file to send; by default, the command's own binary."`
	JSON bool   `name:"json" help:"Print one JSON document. Times are in seconds."`
}

// patience bounds every wait of the demonstration. Within one machine nothing takes that long, however slow it is.
var patience = esock.Within(time.Minute)

// demo is a run of the demonstration.
type demo struct {
	*report
	steps []func() error
	file  *os.File
	path  string
	size  int64
	ipv6  error // the reason why there is no IPv6; nil if there is

	took  []part           // the sockets that took part
	boxes []*esock.Mailbox // the mailboxes that must be closed
}

// part is a socket and its role.
type part struct {
	socket *esock.Socket
	role   string
}

// demoDocument is what --json prints.
type demoDocument struct {
	OK       bool     `json:"ok"`
	Failed   string   `json:"failed,omitempty"`
	Versions versions `json:"versions"`
	File     string   `json:"file"`
	*report
}

func (c *demoCmd) Run(out *output) error {
	d := &demo{report: newReport(out, c.JSON), path: c.File, ipv6: probeIPv6()}
	d.steps = []func() error{d.echoTCP4, d.echoTCP6, d.echoUnix, d.datagrams4, d.datagrams6, d.selected, d.cancelled,
		d.passed, d.sendFile, d.table}
	v := readVersions()
	for _, l := range wrap("esock: the operating system's socket API for Go, after Erlang/OTP's socket module", out.prose()) {
		d.line("%s", out.bold(l))
	}
	d.wrapped("", fmt.Sprintf("esock %s, core %s, %s, %s, %s", v.Esock, v.Core, v.Go, v.Kernel, v.Arch))
	err := d.run()
	d.line("")
	doc := demoDocument{OK: err == nil, Versions: v, File: d.path, report: d.report}
	if err != nil {
		doc.Failed = plain(err)
		d.line("demo: %s: %s", out.in(red, "failed"), plain(err))
	} else {
		d.line("demo: %s", out.in(green, "ok"))
	}
	if c.JSON {
		if werr := out.writeJSON(doc); err == nil && werr != nil {
			return werr
		}
	}
	if err != nil {
		return errReported
	}
	return d.failed
}

// run takes the steps, up to the first that fails.
func (d *demo) run() (err error) {
	defer func() {
		if cerr := d.close(); err == nil {
			err = cerr
		}
	}()
	if err := d.openFile(); err != nil {
		return err
	}
	for _, step := range d.steps {
		if err := step(); err != nil {
			if n := len(d.Steps); n > 0 {
				d.Steps[n-1].Failed = plain(err)
				return fmt.Errorf("%s: %s", d.Steps[n-1].Title, plain(err))
			}
			return err
		}
	}
	return nil
}

// openFile opens the file, which is done first: a mistake in its name is reported at once.
func (d *demo) openFile() (err error) {
	if d.path == "" {
		if d.path, err = os.Executable(); err != nil {
			return fmt.Errorf("the command cannot find its own binary; name a FILE: %w", err)
		}
	}
	// A named pipe would make the open itself wait for a writer.
	if d.file, err = os.OpenFile(d.path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return fmt.Errorf("the file cannot be read: %w", err)
	}
	info, err := d.file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("the file cannot be read: %w", err)
	case info.IsDir():
		return fmt.Errorf("%s is a directory, not a file to send", d.path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", d.path)
	}
	d.size = info.Size()
	return nil
}

// close closes everything that is still open.
func (d *demo) close() error {
	var first error
	for _, p := range d.took {
		if err := p.socket.Close(); err != nil && !isClosed(err) && first == nil {
			first = err
		}
	}
	for _, mb := range d.boxes {
		mb.Close()
	}
	if d.file != nil {
		d.file.Close()
	}
	return first
}

// keep notes a socket under its role. The function that it returns takes the results of Open and Accept.
func (d *demo) keep(role string) func(*esock.Socket, error) (*esock.Socket, error) {
	return func(s *esock.Socket, err error) (*esock.Socket, error) {
		if err == nil {
			d.mu.Lock()
			d.took = append(d.took, part{s, role})
			d.mu.Unlock()
		}
		return s, err
	}
}

// mailbox makes a mailbox, which is closed at the end.
func (d *demo) mailbox() *esock.Mailbox {
	mb := esock.NewMailbox()
	d.boxes = append(d.boxes, mb)
	return mb
}

// connected is connection, with roles.
func (d *demo) connected(name string) (listener, client, server *esock.Socket, err error) {
	roles := []string{name + " listen", name + " client", name + " server"}
	return connection(func(s *esock.Socket, err error) (*esock.Socket, error) {
		role := roles[0]
		roles = roles[1:]
		return d.keep(role)(s, err)
	})
}

// probeIPv6 returns the reason why this machine has no IPv6 loopback, nil if it has one.
func probeIPv6() error {
	s, err := esock.Open(esock.Inet6, esock.Dgram, esock.UDP)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Bind(esock.Inet6Addr(netip.IPv6Loopback(), 0, 0))
}

// without6 skips a step if there is no IPv6, and reports whether it did.
func (d *demo) without6(st *step) bool {
	if d.ipv6 == nil {
		return false
	}
	var e *esock.Error
	why := plain(d.ipv6)
	if errors.As(d.ipv6, &e) {
		why = e.Op + ": " + e.Reason.Error()
	}
	st.skip("this machine has no IPv6 (" + why + ")")
	return true
}

// firstError returns the most telling of the errors: any other is the cause of a timeout.
func firstError(errs ...error) error {
	var late error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, esock.ErrTimeout):
			late = err
		default:
			return err
		}
	}
	return late
}

func quote(b []byte) string { return strconv.Quote(string(b)) }

// duration is a time with about three digits.
func duration(t time.Duration) string {
	switch {
	case t < time.Millisecond:
		return fmt.Sprintf("%d us", t.Microseconds())
	case t < time.Second:
		return fmt.Sprintf("%.1f ms", t.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f s", t.Seconds())
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
