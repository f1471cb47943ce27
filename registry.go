package esock

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// The registry lists the open sockets. It is sharded, so that short-lived sockets do not contend for one lock. It is
// synchronous: a socket is in it when Open returns, and out of it when Close returns.
var registry registryShards

type registryShards [16]struct {
	mu   sync.Mutex
	list list[Socket, entryLinks]
	n    int
}

type entryLinks struct{}

func (entryLinks) of(s *Socket) *links[Socket] { return &s.entry }

// useRegistry says whether new sockets are registered by default.
var useRegistry atomic.Bool

func init() { useRegistry.Store(registryWanted(os.Getenv("ESOCK_USE_SOCKET_REGISTRY"))) }

// registryWanted reads the environment variable: on, unless it says off.
func registryWanted(env string) bool {
	switch strings.ToLower(env) {
	case "false", "off", "0":
		return false
	}
	return true
}

// UseRegistry sets whether new sockets enter the registry. Registered overrides it for one socket; an accepted socket
// follows its listener. The default is on, unless the environment variable ESOCK_USE_SOCKET_REGISTRY is false, off or
// 0 when the process starts. OTP: socket:use_registry/1.
func UseRegistry(on bool) { useRegistry.Store(on) }

// registered reports whether the socket uses the registry, or, once closed, whether it did.
func (s *Socket) registered() bool { return s.facts.Load()&factRegistered != 0 }

// add adds s, unless it is in the registry or closed.
func (r *registryShards) add(s *Socket) {
	sh := &r[s.id%uint64(len(r))]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	// Close sets factClosed before it removes the socket here.
	if sh.list.has(s) || s.isGone() {
		return
	}
	sh.list.push(s)
	sh.n++
	s.facts.Or(factRegistered)
}

// remove removes s, if it is in the registry.
func (r *registryShards) remove(s *Socket) {
	sh := &r[s.id%uint64(len(r))]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.list.has(s) {
		sh.list.remove(s)
		sh.n--
	}
}

// all lists the sockets, oldest first.
func (r *registryShards) all() []*Socket {
	var list []*Socket
	for i := range r {
		sh := &r[i]
		sh.mu.Lock()
		for s := sh.list.head; s != nil; s = s.entry.next {
			list = append(list, s)
		}
		sh.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b *Socket) int { return cmp.Compare(a.id, b.id) })
	return list
}

// NumberOf counts the sockets in the registry. OTP: socket:number_of/0.
func NumberOf() int {
	n := 0
	for i := range registry {
		sh := &registry[i]
		sh.mu.Lock()
		n += sh.n
		sh.mu.Unlock()
	}
	return n
}

// Filter selects sockets for WhichSockets and WriteTable. It runs without a lock and may use the socket, which may
// close meanwhile.
type Filter func(*Socket) bool

// InDomain selects by domain. OTP: the filters inet, inet6, local.
func InDomain(d Domain) Filter { return func(s *Socket) bool { return s.Domain() == d } }

// OfType selects by type. OTP: the filters stream, dgram, seqpacket.
func OfType(t Type) Filter { return func(s *Socket) bool { return s.Type() == t } }

// OfProtocol selects by protocol. OTP: the filters tcp, udp, sctp.
func OfProtocol(p Protocol) Filter { return func(s *Socket) bool { return s.Protocol() == p } }

// OwnedBy selects the sockets that mb owns; nil: without owner. OTP: a pid.
func OwnedBy(mb *Mailbox) Filter { return func(s *Socket) bool { return s.Owner() == mb } }

// Where selects sockets by their Info. OTP: a fun as filter.
func Where(f func(SocketInfo) bool) Filter {
	if f == nil {
		return nil
	}
	return func(s *Socket) bool { return f(s.Info()) }
}

// FilterByName returns OTP's filter of that name: inet, inet6, local; stream, dgram, seqpacket; sctp, tcp, udp.
// Errors: *InvalidError "filter".
func FilterByName(word string) (Filter, error) {
	switch word {
	case "inet", "inet6", "local":
		d, err := ParseDomain(word)
		return InDomain(d), err
	case "stream", "dgram", "seqpacket":
		t, err := ParseType(word)
		return OfType(t), err
	case "sctp", "tcp", "udp":
		p, err := ParseProtocol(word)
		return OfProtocol(p), err
	}
	return nil, &InvalidError{What: "filter", Value: word,
		Cause: "not one of inet, inet6, local, stream, dgram, seqpacket, sctp, tcp, udp"}
}

// WhichSockets returns the registered sockets that pass all filters, oldest first. Errors: *InvalidError "filter" if a
// filter is nil or panics; Value is then the panic's value. OTP: socket:which_sockets/0,1.
func WhichSockets(filters ...Filter) ([]*Socket, error) {
	for _, f := range filters {
		if f == nil {
			return nil, &InvalidError{What: "filter", Cause: "it is nil"}
		}
	}
	var list []*Socket
	for _, s := range registry.all() {
		ok, err := passes(s, filters)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, s)
		}
	}
	return list, nil
}

// passes reports whether s passes all filters. A panic becomes an error.
func passes(s *Socket, filters []Filter) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			ok, err = false, &InvalidError{What: "filter", Value: p, Cause: "it panicked on " + s.String()}
		}
	}()
	for _, f := range filters {
		if !f(s) {
			return false, nil
		}
	}
	return true, nil
}
