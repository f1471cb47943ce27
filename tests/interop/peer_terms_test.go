package interop

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// options makes an option list of a term, by name.
func options(v any) ([]gentcp.Option, error) {
	if v == "" {
		return nil, nil
	}
	var opts []gentcp.Option
	for _, one := range v.(list) {
		o, err := option(one)
		if err != nil {
			return nil, err
		}
		opts = append(opts, o)
	}
	return opts, nil
}

// option makes one of an atom, {Name, Value} or {raw, Level, Opt, Bytes}.
func option(v any) (gentcp.Option, error) {
	switch v := v.(type) {
	case atom:
		return gentcp.Opt(string(v), nil)
	case tuple:
		if v[0] == atom("raw") {
			return gentcp.Opt("raw", []any{v[1], v[2], []byte(v[3].(string))})
		}
		return gentcp.Opt(string(v[0].(atom)), plain(v[1]))
	}
	return gentcp.Option{}, fmt.Errorf("no option: %v", v)
}

// plain is a term as gentcp.Opt takes it.
func plain(v any) any {
	switch v := v.(type) {
	case atom:
		if b, err := strconv.ParseBool(string(v)); err == nil {
			return b
		}
		return string(v)
	case tuple:
		if a := address(v); a != nil {
			return a
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	}
	return v
}

// address is the netip.Addr or esock.Addr of a term, nil if it is none.
func address(v tuple) any {
	switch {
	case len(v) == 2 && v[0] == atom("local"):
		return esock.UnixAddr(v[1].(string))
	case len(v) == 4:
		var b [4]byte
		for i := range b {
			b[i] = byte(v[i].(int))
		}
		return netip.AddrFrom4(b)
	case len(v) == 8:
		var b [16]byte
		for i := range v {
			b[2*i], b[2*i+1] = byte(v[i].(int)>>8), byte(v[i].(int))
		}
		return netip.AddrFrom16(b)
	}
	return nil
}

// addrTerm is {Address, Port} or {local, Path}.
func addrTerm(a esock.Addr, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if a.Family() == esock.Local {
		return tuple{atom("local"), a.Path()}, nil
	}
	var ip tuple
	if a.IP().Is4() {
		for _, b := range a.IP().As4() {
			ip = append(ip, int(b))
		}
	} else {
		b := a.IP().As16()
		for i := 0; i < 16; i += 2 {
			ip = append(ip, int(b[i])<<8|int(b[i+1]))
		}
	}
	return tuple{ip, int(a.Port())}, nil
}

// setOpts makes the options by name, as they come: one that there is not ends it, and those before stay set.
func (t turn) setOpts(args []any) (any, error) {
	s := socket(args[0])
	var opts []gentcp.Option
	if args[1] != "" {
		for _, one := range args[1].(list) {
			o, bad := option(one)
			if bad != nil {
				if err := s.SetOpts(opts...); err != nil {
					return nil, err
				}
				return nil, fmt.Errorf("einval")
			}
			opts = append(opts, o)
		}
	}
	return nil, s.SetOpts(opts...)
}

func (t turn) getOpts(args []any) (any, error) {
	var names []gentcp.Name
	if args[1] != "" {
		for _, name := range args[1].(list) {
			if n, ok := name.(atom); ok {
				names = append(names, gentcp.Name(n))
			} else {
				raw := name.(tuple)
				names = append(names, gentcp.RawName(raw[1].(int), raw[2].(int), raw[3].(int)))
			}
		}
	}
	opts, err := socket(args[0]).GetOpts(names...)
	if err != nil {
		return nil, err
	}
	var all list
	for _, o := range opts {
		if level, opt := o.Native(); o.Name() == "raw" {
			all = append(all, tuple{atom("raw"), level, opt, string(o.Value().([]byte))})
		} else {
			all = append(all, tuple{atom(o.Name()), optionTerm(o.Value())})
		}
	}
	if all == nil {
		return "", nil
	}
	return all, nil
}

// optionTerm is the value of an option as OTP has it.
func optionTerm(v any) any {
	switch v := v.(type) {
	case bool:
		return atom(strconv.FormatBool(v))
	case int:
		return v
	case string:
		return v
	case []gentcp.PktOption:
		var all []any
		for _, o := range v {
			all = append(all, tuple{atom(o.Name), o.Value})
		}
		return asList(all)
	case sockopt.Linger:
		return tuple{optionTerm(v.On), int(v.Time / time.Second)}
	case time.Duration:
		if v == gentcp.Infinity {
			return atom("infinity")
		}
		return int(v.Milliseconds())
	}
	text := fmt.Sprint(v)
	if n, err := strconv.Atoi(text); err == nil { // packet types 0, 1, 2 and 4
		return n
	}
	return atom(text)
}

// packetTerm is what OTP delivers for a packet.
func packetTerm(p gentcp.Packet) any {
	switch p.Kind() {
	case packet.KindHTTPRequest:
		r, _ := p.HTTPRequest()
		var method any = string(r.Method.Name)
		if r.Method.Known {
			method = atom(r.Method.String())
		}
		return tuple{atom("http_request"), method, uriTerm(r.URI), tuple{r.Version.Major, r.Version.Minor}}
	case packet.KindHTTPResponse:
		r, _ := p.HTTPResponse()
		return tuple{atom("http_response"), tuple{r.Version.Major, r.Version.Minor}, r.Status, string(r.Phrase)}
	case packet.KindHTTPHeader:
		h, _ := p.HTTPHeader()
		var field any = h.Field()
		if h.Index > 0 {
			field = atom(h.Field())
		}
		return tuple{atom("http_header"), h.Index, field, string(h.Name), string(h.Value)}
	case packet.KindHTTPEOH:
		return atom("http_eoh")
	case packet.KindHTTPError:
		return tuple{atom("http_error"), string(p.Data())}
	}
	if len(p.Head()) > 0 && len(p.Body()) > 0 {
		return tuple{atom("header"), string(p.Head()), string(p.Body())}
	}
	return string(p.Data())
}

func uriTerm(u packet.URI) any {
	switch u.Kind {
	case packet.URIStar:
		return atom("*")
	case packet.URIAbsPath:
		return tuple{atom("abs_path"), string(u.Path)}
	case packet.URIScheme:
		return tuple{atom("scheme"), string(u.Scheme), string(u.Path)}
	case packet.URIAbsolute:
		var port any = atom("undefined")
		if u.Port > 0 {
			port = u.Port
		}
		return tuple{atom("absoluteURI"), atom(u.Scheme), string(u.Host), port, string(u.Path)}
	}
	return string(u.Text)
}

// messageTerm is a message as OTP has it.
func (t turn) messageTerm(msg esock.Message) any {
	switch m := msg.(type) {
	case gentcp.TCPMsg:
		return tuple{atom("tcp"), t.nameOf(m.Sock), packetTerm(m.Packet)}
	case gentcp.HTTPMsg:
		return tuple{atom("http"), t.nameOf(m.Sock), packetTerm(m.Packet)}
	case gentcp.PortMsg:
		return tuple{t.nameOf(m.Sock), tuple{atom("data"), packetTerm(m.Packet)}}
	case gentcp.PassiveMsg:
		return tuple{atom("tcp_passive"), t.nameOf(m.Sock)}
	case gentcp.ClosedMsg:
		return tuple{atom("tcp_closed"), t.nameOf(m.Sock)}
	case gentcp.ErrorMsg:
		return tuple{atom("tcp_error"), t.nameOf(m.Sock), atom(gentcp.Reason(m.Reason))}
	}
	return atom(fmt.Sprintf("%T", msg))
}
