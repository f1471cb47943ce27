package datagram

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/esock-go/esock"
)

// Report is what SelfTest has found.
type Report struct {
	Sent     Counters  // what was sent: Trains are those that the kernel took
	Refusals []Refusal // why it did not take all
	Came     int       // datagrams that arrived as they were sent
	Trains   int       // trains that arrived as such
	Damaged  int       // datagrams that arrived with other bytes or another length, or twice
	Lost     int       // datagrams that have not arrived
}

// OK reports whether trains can be trusted on this way: the kernel took them, and every datagram has arrived as it was sent.
func (r Report) OK() bool {
	return r.Sent.Trains > 0 && r.Sent.Refused == 0 && r.Damaged == 0 && r.Lost == 0
}

// String says it in a sentence.
func (r Report) String() string {
	return fmt.Sprintf("%d datagrams were sent, %d trains among them, %d trains were refused; "+
		"%d arrived, in %d trains; %d damaged, %d lost",
		r.Sent.Count, r.Sent.Trains, r.Sent.Refused, r.Came, r.Trains, r.Damaged, r.Lost)
}

// selfTestHead is what each datagram of SelfTest begins with: 8 random bytes of the test, and its number.
const selfTestHead = 12

// SelfTest proves, rather than believes, that trains get through: it sends two of them from one socket to an address, at which
// the other one receives, one with datagrams of size bytes and one with a shorter tail, and looks at each datagram that
// arrives. A driver or a virtual device that takes trains and damages them shows itself so. The way is that of the sockets:
// both ends of a cable, for example, in two network namespaces. Each receive waits as w says, and datagrams that have not
// arrived when it ends with esock.ErrTimeout are lost; others that arrive at the socket are dropped. Errors:
// *esock.InvalidError, for a size under 13 or a count under 2 or above 64; as NewBatch, Send and Recv.
func SelfTest(from, to *esock.Socket, at netip.AddrPort, size, count int, w esock.Wait) (r Report, err error) {
	switch {
	case size <= selfTestHead || size > most:
		return r, &esock.InvalidError{What: "size", Value: size}
	case count < 2 || count > 64:
		return r, &esock.InvalidError{What: "count", Value: count}
	}
	out, err := NewBatch(from, count, size)
	if err != nil {
		return r, err
	}
	defer out.Close()
	in, err := NewBatch(to, 2*count, most)
	if err != nil {
		return r, err
	}
	defer in.Close()
	t := selfTest{seen: make([]bool, 2*count), count: count, size: size}
	rand.Read(t.key[:])
	buf := make([]byte, size)
	for i := range 2 * count {
		if err := out.Append(t.datagram(buf, i), at); err != nil {
			return r, err
		}
		if i%count == count-1 { // a train
			if _, err := out.Send(0, w); err != nil {
				return r, err
			}
		}
	}
	_, r.Sent = out.Counters()
	r.Refusals = out.Info().Refusals
	for r.Came+r.Damaged < 2*count {
		if _, err := in.Recv(0, w); errors.Is(err, esock.ErrTimeout) {
			break
		} else if err != nil {
			return r, err
		}
		for d := range in.All() {
			t.look(d.Data(), buf, &r)
		}
		for _, segment := range in.Trains() {
			if segment > 0 {
				r.Trains++
			}
		}
	}
	for _, seen := range t.seen {
		if !seen {
			r.Lost++
		}
	}
	return r, nil
}

type selfTest struct {
	key         [8]byte
	seen        []bool
	count, size int
}

// datagram makes number i in buf.
func (t *selfTest) datagram(buf []byte, i int) []byte {
	copy(buf, t.key[:])
	binary.BigEndian.PutUint32(buf[8:], uint32(i))
	for j := selfTestHead; j < len(buf); j++ {
		buf[j] = byte(i*31 + j*7 + j>>8)
	}
	if i == 2*t.count-1 {
		return buf[:len(buf)-1] // the tail
	}
	return buf
}

// look compares what has come with what was sent.
func (t *selfTest) look(data, buf []byte, r *Report) {
	if len(data) < selfTestHead || [8]byte(data) != t.key {
		return // not ours, or its number is not known, and then it is lost
	}
	i := int(binary.BigEndian.Uint32(data[8:]))
	switch {
	case i >= len(t.seen) || t.seen[i] || string(t.datagram(buf, i)) != string(data):
		r.Damaged++
	default:
		r.Came++
	}
	if i < len(t.seen) {
		t.seen[i] = true
	}
}
