package datagram

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// Paced lets each datagram have a time at which the kernel sends it: SetTime. It sets SO_TXTIME, with the monotonic clock.
// Something must heed the times: the queueing discipline fq of the interface, or a network card. Without that, datagrams go at
// once.
func Paced() Option {
	return func(o *options) error {
		o.paced = true
		return nil
	}
}

// pace sets the option of Paced.
func (b *Batch) pace(o *options) (err error) {
	if !o.paced {
		return nil
	}
	if b.timed, err = calls.Encode(nil, []esock.ControlMessage{esock.TxTime(0)}); err != nil {
		return err
	}
	if len(b.timed) > o.control {
		return &esock.InvalidError{What: "control", Value: o.control, Cause: "the option Paced needs room for the time"}
	}
	b.timed = b.timed[:0:len(b.timed)]
	return sockopt.SocketTXTime.Set(b.s, sockopt.TXTimeConfig{ClockID: unix.CLOCK_MONOTONIC})
}

// Now returns the time by the clock of SetTime.
func Now() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// SetTime sets when the datagrams that are appended from now on are to leave, by the clock of Now; 0 is at once. All datagrams
// of a train have one time, so a time for several is cheaper than one for each. Errors: *esock.InvalidError, for a batch
// without Paced and for more bytes than Control gives room for.
func (b *Batch) SetTime(at time.Duration) error {
	switch {
	case !b.made():
		return errClosed
	case b.timed == nil:
		return &esock.InvalidError{What: "batch", Cause: "it has not the option Paced"}
	case at < 0:
		return &esock.InvalidError{What: "time", Value: at}
	}
	b.changed = true
	if at == 0 {
		b.timed = b.timed[:0]
		return b.setControl(b.plain, nil)
	}
	b.timed = b.timed[:cap(b.timed)]
	binary.NativeEndian.PutUint64(b.timed[len(b.timed)-8:], uint64(at)) // a control message of 8 bytes has no padding
	return b.setControl(b.plain, nil)
}
