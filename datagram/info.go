package datagram

import "github.com/esock-go/esock"

// Info says what a batch makes use of, and why not of more.
type Info struct {
	Trains    int       // how many datagrams Send gives the kernel as one at most; 1: none
	TrainsErr error     // why it makes no trains: the kernel has no UDP_SEGMENT, the socket is not one of UDP; nil: it makes them
	Refusals  []Refusal // where the kernel refused trains, the latest first; at most 32 are remembered
	GRO       bool      // whether the socket receives trains, as far as the kernel tells (since 5.12), or one has come
	GROErr    error     // why not; nil: it does
}

// Refusal is a destination to which the kernel has refused a train.
type Refusal struct {
	To   esock.Addr // the zero Addr is the peer of a connected socket
	Size int        // trains of datagrams of this length or longer are not tried
	Err  error      // EIO: the way has no offload; EINVAL, EMSGSIZE: most often a length above the MTU; as sendmsg(2)
}

// Info returns what the batch makes use of.
func (b *Batch) Info() Info {
	if !b.made() {
		return Info{Trains: 1, TrainsErr: errClosed, GROErr: errClosed}
	}
	i := Info{Trains: max(calls.BatchTrains(b.b), 1), TrainsErr: b.trainsErr, GRO: b.gro, GROErr: b.groErr}
	if b.gro {
		i.GROErr = nil
	}
	if i.Trains == 1 && i.TrainsErr == nil {
		i.TrainsErr = errNotWanted
	}
	calls.EachRefusal(b.b, func(to esock.Addr, size int, err error) {
		i.Refusals = append(i.Refusals, Refusal{to, size, err})
	})
	return i
}

// ForgetRefusals makes Send try trains again where the kernel has refused them: the way may be another one now.
func (b *Batch) ForgetRefusals() {
	if b.made() {
		calls.ForgetRefusals(b.b)
	}
}

// Counters are what a batch has done.
type Counters struct {
	Calls   uint64 // system calls
	Count   uint64 // datagrams
	Trains  uint64 // trains, which have several of them
	Refused uint64 // trains that the kernel refused, and that went as single datagrams
}

// Counters returns what was received and what was sent.
func (b *Batch) Counters() (received, sent Counters) {
	if b.made() {
		r, s := &received, &sent
		r.Calls, r.Count, r.Trains, r.Refused = calls.BatchCounters(b.b, false)
		s.Calls, s.Count, s.Trains, s.Refused = calls.BatchCounters(b.b, true)
	}
	return received, sent
}
