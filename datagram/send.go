package datagram

import (
	"net/netip"
	"strconv"
	"syscall"

	"github.com/esock-go/esock"
)

// Append adds a datagram to an address, or to the peer of a connected socket if that is the zero AddrPort. It copies the data.
// On an inet6 socket an IPv4 address is mapped. Errors: ErrFull; *esock.InvalidError, also for more than size bytes.
func (b *Batch) Append(data []byte, to netip.AddrPort) error {
	if !b.made() {
		return errClosed
	}
	if to != b.lastTo {
		b.changed = true
	}
	if !b.changed {
		return b.put(data, true)
	}
	b.to = esock.Addr{}
	if to.IsValid() {
		switch a := to.Addr(); {
		case b.s.Domain() == esock.Inet6 && a.Is4():
			b.to = esock.AddrFrom(netip.AddrPortFrom(netip.AddrFrom16(a.As16()), to.Port()))
		case b.s.Domain() == esock.Inet:
			b.to = esock.AddrFrom(netip.AddrPortFrom(a.Unmap(), to.Port()))
		default:
			b.to = esock.AddrFrom(to)
		}
	}
	if err := b.put(data, false); err != nil {
		return err
	}
	b.lastTo = to
	return nil
}

// AppendAddr is Append to an address of any family.
func (b *Batch) AppendAddr(data []byte, to esock.Addr) error {
	if !b.made() {
		return errClosed
	}
	b.to, b.lastTo = to, netip.AddrPort{}
	err := b.put(data, false)
	b.changed = true
	return err
}

// put adds a datagram to b.to, or with same to where the one before goes.
func (b *Batch) put(data []byte, same bool) error {
	if b.sent == b.count { // all are sent: the memory is free again
		b.forget()
		b.sent, b.count, b.end = 0, 0, 0
	}
	switch {
	case len(data) > b.size:
		return &esock.InvalidError{What: "data_size", Value: len(data), Cause: "the batch's datagrams have up to " + strconv.Itoa(b.size) + " bytes"}
	case b.count == len(b.data)/b.size || len(data) > len(b.data)-b.end:
		return ErrFull
	}
	if err := calls.Put(b.s, b.b, b.count, b.end, len(data), &b.to, b.control, same); err != nil {
		return err
	}
	b.end += copy(b.data[b.end:], data)
	b.count++
	b.changed = false
	return nil
}

// udpSegment is UDP_SEGMENT.
const udpSegment = 103

// SetControl sets the control messages of the datagrams that are appended from now on: esock.TOS, the source address with
// esock.PktInfo4 and esock.PktInfo6, esock.TxTime, and so on; none ends that. Datagrams with different ones are not in one
// train. Errors: *esock.InvalidError, also for more bytes than Control gives room for and for esock.UDPSegment, and then there
// are none.
func (b *Batch) SetControl(cs ...esock.ControlMessage) (err error) {
	if !b.made() {
		return errClosed
	}
	b.changed = true
	for _, c := range cs {
		if c.Level == syscall.IPPROTO_UDP && c.Type == udpSegment {
			return b.setControl(0, &esock.InvalidError{What: "control", Value: "udp segment", Cause: "a batch makes trains by itself"})
		}
	}
	if b.control, err = calls.Encode(b.control[:0], cs); err != nil {
		return b.setControl(0, err)
	}
	return b.setControl(len(b.control), nil)
}

// setControl makes the control messages be the first bytes of control, and those of SetTime.
func (b *Batch) setControl(plain int, err error) error {
	b.control, b.plain = append(b.control[:plain], b.timed...), plain
	if n := len(b.control); n > b.room {
		b.control, b.plain, b.timed = b.control[:0], 0, b.timed[:0]
		err = &esock.InvalidError{What: "control", Value: n, Cause: "the batch has room for " + strconv.Itoa(b.room) + " bytes"}
	}
	return err
}

// Len returns how many datagrams are to be sent.
func (b *Batch) Len() int {
	if !b.made() {
		return 0
	}
	return b.count - b.sent
}

// Send sends the datagrams that were appended, in order, and waits for room. It returns how many have gone, which stay gone:
// with an error the next one has failed, and Send tries it again, or Skip drops it. A train that the kernel refuses on the way
// to a destination goes as single datagrams, and so do later ones there: Info, ForgetRefusals. Errors: as
// esock.Socket.SendMMsg. ENOBUFS (a queue is full) and EPERM (a firewall's, which connection tracking gives for the first
// datagrams of a flow) may be over when Send is called again; EMSGSIZE is not.
func (b *Batch) Send(flags esock.MsgFlags, w esock.Wait) (int, error) {
	if !b.made() {
		return 0, errClosed
	}
	if b.count == b.sent {
		return 0, nil
	}
	n, err := calls.SendBatch(b.s, b.b, b.sent, b.count-b.sent, flags, w)
	return b.gone(n, err)
}

func (b *Batch) gone(n int, err error) (int, error) {
	b.sent += n
	if b.sent == b.count {
		b.changed = true
	}
	return n, err
}

// Skip drops the datagram that would be sent next.
func (b *Batch) Skip() {
	if b.Len() > 0 {
		b.gone(1, nil)
	}
}

// Reset drops what was received and what is to be sent.
func (b *Batch) Reset() {
	if b.made() {
		b.forget()
		b.count, b.sent, b.end, b.changed = 0, 0, 0, true
	}
}
