package main

import (
	"errors"
	"fmt"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// open opens a socket that has the option.
func (a *optArgs) open(t *target) (*esock.Socket, *optResult, error) {
	s, err := a.openKind(t)
	if s == nil && err == nil {
		s, err = a.openNamed(t)
	}
	if err != nil {
		return nil, nil, err
	}
	r := &optResult{Option: t.label(), Codec: t.codec(), Constant: t.info.Constant, Doc: t.info.Doc,
		Socket: fmt.Sprintf("%v, %v, %v", s.Domain(), s.Type(), s.Protocol())}
	if t.level != "otp" {
		r.Level, r.Number = &t.levelNumber, &t.number
	}
	return s, r, nil
}

// socketArgs returns the arguments that describe the socket; nil for those that were not given.
func (a *optArgs) socketArgs() (d *esock.Domain, y *esock.Type, p *esock.Protocol, err error) {
	if a.Domain != "" {
		v, err := esock.ParseDomain(a.Domain)
		if err != nil {
			return nil, nil, nil, usagef("there is no domain %q%s", a.Domain,
				didYouMean(a.Domain, domainWords))
		}
		d = &v
	}
	if a.Type != "" {
		v, err := esock.ParseType(a.Type)
		if err != nil {
			return nil, nil, nil, usagef("there is no type %q%s", a.Type,
				didYouMean(a.Type, typeWords))
		}
		y = &v
	}
	if a.Protocol != "" {
		v, err := esock.ParseProtocol(a.Protocol)
		if err != nil {
			return nil, nil, nil, usagef("there is no protocol %q%s", a.Protocol,
				didYouMean(a.Protocol, protocolWords))
		}
		p = &v
	}
	return d, y, p, nil
}

// openKind opens a socket of the first kind that has the option and matches the arguments; nil if there is none.
func (a *optArgs) openKind(t *target) (*esock.Socket, error) {
	d, y, p, err := a.socketArgs()
	if err != nil || !t.known {
		return nil, err
	}
	var refused error
	for _, kind := range sockopt.AllKinds() {
		if !t.info.Kinds.Has(kind) {
			continue
		}
		s, err := kind.Open()
		if err != nil {
			if refused == nil {
				refused = fmt.Errorf("%s is for sockets of kind %s, and none can be opened: %s", t.label(), t.info.Kinds, reason(err))
			}
			continue
		}
		if (d == nil || *d == s.Domain()) && (y == nil || *y == s.Type()) && (p == nil || *p == s.Protocol()) {
			return s, nil
		}
		s.Close()
		refused = errNotThisKind
	}
	if refused == errNotThisKind || a.Domain+a.Type+a.Protocol != "" {
		return nil, nil
	}
	return nil, refused
}

var errNotThisKind = errors.New("not the kind of socket that the arguments ask for")

// openNamed opens the socket that the arguments describe. What they leave open is that of a TCP or UDP socket.
func (a *optArgs) openNamed(t *target) (*esock.Socket, error) {
	d, y, p, err := a.socketArgs()
	if err != nil {
		return nil, err
	}
	domain, typ, protocol := esock.Inet, esock.Stream, esock.Default
	if t.levelNumber == int(esock.UDP) {
		typ = esock.Dgram
	}
	if p != nil {
		typ = typeOf(*p, typ)
	}
	if d != nil {
		domain = *d
	} else if t.level == "ipv6" || p != nil && *p == esock.ICMPv6 {
		domain = esock.Inet6
	}
	if y != nil {
		typ = *y
	}
	switch {
	case p != nil:
		protocol = *p
	case domain != esock.Inet && domain != esock.Inet6:
	case typ == esock.Stream:
		protocol = esock.TCP
	case typ == esock.Dgram:
		protocol = esock.UDP
	}
	s, err := esock.Open(domain, typ, protocol)
	if err != nil {
		return nil, fmt.Errorf("cannot open a socket of %v, %v, %v: %s", domain, typ, protocol, reason(err))
	}
	return s, nil
}

// typeOf returns the type of the sockets of a protocol, or def where there are several.
func typeOf(p esock.Protocol, def esock.Type) esock.Type {
	switch p {
	case esock.TCP, esock.SCTP, esock.MPTCP:
		return esock.Stream
	case esock.UDP, esock.UDPLite:
		return esock.Dgram
	case esock.ICMP, esock.IGMP, esock.ICMPv6, esock.RawProto:
		return esock.Raw
	}
	return def
}
