package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/esock-go/esock"
	"golang.org/x/sys/unix"
)

type optCmd struct {
	Get optGetCmd `cmd:"" help:"Read an option of a fresh socket."`
	Set optSetCmd `cmd:"" help:"Set an option of a fresh socket, and read it back."`
}

// optArgs is what reading and setting have in common.
type optArgs struct {
	Level string `arg:"" help:"The level: otp, socket, ip, ipv6, tcp, udp, or its number."`
	Name  string `arg:"" help:"The option's name, nodelay for one, or its number."`

	Domain   string `help:"Domain of the socket: inet, inet6, local or another. The level's, if it is not given."`
	Type     string `help:"Type of the socket: stream, dgram, seqpacket, raw. The level's, if it is not given."`
	Protocol string `help:"Protocol of the socket: tcp, udp or another. That of domain and type, if it is not given."`

	Integer    bool `xor:"form" help:"Native: the value is a C int. So it is if nothing else is said."`
	Boolean    bool `xor:"form" help:"Native: the value is a C int, true if it is not 0."`
	Hex        bool `xor:"form" help:"Native: the value is bytes, in hexadecimal."`
	NativeSize int  `placeholder:"N" help:"Native: read N bytes; shown in hexadecimal."`
	JSON       bool `name:"json" help:"Print one JSON document."`
}

type optGetCmd struct{ optArgs }

type optSetCmd struct {
	optArgs
	Value string `arg:"" help:"The value, after -- if it begins with a minus. Linger: off, abort or seconds."`
}

// optResult is what an option command prints.
type optResult struct {
	Option   string `json:"option"` // "tcp.nodelay"
	Constant string `json:"constant,omitempty"`
	Level    *int   `json:"level,omitempty"`
	Number   *int   `json:"number,omitempty"`
	Codec    string `json:"codec"`
	Doc      string `json:"doc,omitempty"`
	Socket   string `json:"socket"`
	Before   any    `json:"before,omitempty"`
	Set      any    `json:"set,omitempty"`
	Value    any    `json:"value"`
	Unread   string `json:"unreadable,omitempty"` // why it could not be read back
}

func (c *optGetCmd) Run(out *output) error {
	t, err := c.target()
	if err != nil {
		return err
	}
	s, res, err := c.open(t)
	if err != nil {
		return err
	}
	defer s.Close()
	if res.Value, err = t.get(s); err != nil {
		return fmt.Errorf("%s cannot be read: %s", t.label(), reason(err))
	}
	return c.print(out, res)
}

func (c *optSetCmd) Run(out *output) error {
	t, err := c.target()
	if err != nil {
		return err
	}
	value, err := t.parse(c.Value)
	if err != nil {
		return err
	}
	if b, ok := value.([]byte); ok && t.size == 0 {
		t.size = len(b) // what it is read back with
	}
	s, res, err := c.open(t)
	if err != nil {
		return err
	}
	defer s.Close()
	res.Set = shown(value)
	if before, err := t.get(s); err == nil {
		res.Before = before
	}
	if err := t.set(s, value); err != nil {
		return fmt.Errorf("%s cannot be set to %s: %s", t.label(), c.Value, reason(err))
	}
	if res.Value, err = t.get(s); err != nil {
		res.Unread = reason(err)
	}
	return c.print(out, res)
}

// print writes the result.
func (a *optArgs) print(out *output, r *optResult) error {
	if a.JSON {
		return out.writeJSON(r)
	}
	option := r.Option
	if r.Constant != "" {
		option += ", " + r.Constant
	}
	if r.Level != nil {
		option += fmt.Sprintf(" (level %d, number %d)", *r.Level, *r.Number)
	}
	pairs := [][2]string{{"option", option + ", " + r.Codec}}
	if r.Doc != "" {
		for i, l := range wrap(r.Doc, pageWidth-16) {
			pairs = append(pairs, [2]string{[]string{"about", ""}[min(i, 1)], l})
		}
	}
	pairs = append(pairs, [2]string{"socket", r.Socket})
	if r.Set != nil {
		if r.Before != nil {
			pairs = append(pairs, [2]string{"before", valueText(r.Before)})
		}
		pairs = append(pairs, [2]string{"set", valueText(r.Set)})
	}
	if r.Unread != "" {
		return writePairs(out, append(pairs, [2]string{"value", "cannot be read back: " + r.Unread}))
	}
	return writePairs(out, append(pairs, [2]string{"value", valueText(r.Value)}))
}

// target is the option that is meant.
type target struct {
	level, name string // by name; empty without one
	number      int    // native
	levelNumber int
	native      bool
	form        string // native: integer, boolean, hex
	size        int    // native, hex: bytes to read
	info        esock.OptionInfo
	known       bool // info is set
}

// The options of the library's own level, and what they take.
var otpOptions = map[string]string{
	"controlling_process": "mailbox", "debug": "bool", "domain": "domain", "fd": "descriptor", "iow": "bool", "meta": "text",
	"rcvbuf": "rcvbuf", "rcvctrlbuf": "size", "select_read": "bool", "sndctrlbuf": "size", "spin": "duration",
	"use_registry": "bool",
}

// target finds out which option the arguments name.
func (a *optArgs) target() (*target, error) {
	t := &target{level: a.Level, name: a.Name, native: a.Integer || a.Boolean || a.Hex || a.NativeSize != 0,
		form: "integer", size: a.NativeSize}
	switch {
	case a.Boolean:
		t.form = "boolean"
	case a.Hex || a.NativeSize != 0:
		t.form = "hex"
	}
	if a.NativeSize < 0 || a.NativeSize > 1<<20 {
		return nil, fmt.Errorf("a native size of %d is not one from 1 to 1048576", a.NativeSize)
	}

	levels := map[string]int{}
	var levelNames []string
	for o := range esock.Options() {
		if _, ok := levels[o.Level]; !ok {
			levels[o.Level] = o.LevelNumber
			levelNames = append(levelNames, o.Level)
		}
	}
	if n, err := strconv.ParseInt(a.Level, 0, 32); err == nil {
		t.levelNumber, t.level = int(n), ""
		for name, number := range levels {
			if number == int(n) {
				t.level = name
			}
		}
	} else if n, ok := levels[a.Level]; ok {
		t.levelNumber = n
	} else if p, err := esock.ParseProtocol(a.Level); err == nil && p != esock.Default {
		t.levelNumber = int(p) // a level with no option by name
	} else if a.Level != "otp" {
		all := append([]string{"otp"}, levelNames...)
		return nil, fmt.Errorf("there is no level %q%s", a.Level, didYouMean(a.Level, all))
	}

	if n, err := strconv.ParseInt(a.Name, 0, 32); err == nil {
		if t.level == "otp" {
			return nil, errors.New("the options of level otp are the library's own and have no numbers")
		}
		t.native, t.number, t.name = true, int(n), ""
		for o := range esock.Options() {
			if o.LevelNumber == t.levelNumber && o.Number == t.number {
				t.info, t.known, t.name = o, true, o.Name
			}
		}
		return t, nil
	}
	if t.level == "" {
		return nil, fmt.Errorf("level %s has no options by name; give the option's number", a.Level)
	}
	return t, t.find(a.Name)
}

// find looks the option up by name.
func (t *target) find(name string) error {
	var names, elsewhere []string
	if t.level == "otp" {
		if _, ok := otpOptions[name]; ok {
			if t.native {
				return errors.New("the options of level otp are the library's own and have no native form")
			}
			return nil
		}
		for n := range otpOptions {
			names = append(names, n)
		}
		slices.Sort(names)
	}
	for o := range esock.Options() {
		switch {
		case o.Level == t.level && o.Name == name:
			t.info, t.known, t.number = o, true, o.Number
			return nil
		case o.Level == t.level:
			names = append(names, o.Name)
		case o.Name == name:
			elsewhere = append(elsewhere, o.Level+"."+o.Name)
		}
	}
	if len(elsewhere) > 0 {
		return fmt.Errorf("level %s has no option %q; did you mean %s?", t.level, name, oneOf(elsewhere))
	}
	return fmt.Errorf("level %s has no option %q%s", t.level, name, didYouMean(name, names))
}

// label is how messages call the option.
func (t *target) label() string {
	level, name := t.level, t.name
	if level == "" {
		level = strconv.Itoa(t.levelNumber)
	}
	if name == "" {
		name = strconv.Itoa(t.number)
	}
	return level + "." + name
}

// codec says what kind of value the option has.
func (t *target) codec() string {
	switch {
	case t.native:
		return "native " + t.form
	case t.known && t.info.Struct != "":
		return t.info.Struct
	case t.known:
		return t.info.Codec
	}
	return otpOptions[t.name]
}

// open opens a socket that has the option.
func (a *optArgs) open(t *target) (*esock.Socket, *optResult, error) {
	domain, typ, protocol := a.Domain, a.Type, a.Protocol
	if domain == "" {
		domain = "inet"
		switch {
		case t.level == "ipv6":
			domain = "inet6"
		case t.level == "socket" && (t.name == "passcred" || t.name == "peercred"):
			domain = "local"
		}
	}
	if typ == "" {
		typ = "stream"
		if t.levelNumber == int(esock.UDP) || protocol == "udp" {
			typ = "dgram"
		}
	}
	if protocol == "" {
		protocol = "default"
		switch {
		case !strings.HasPrefix(domain, "inet"):
		case typ == "stream":
			protocol = "tcp"
		case typ == "dgram":
			protocol = "udp"
		}
	}
	d, err := esock.ParseDomain(domain)
	if err != nil {
		return nil, nil, fmt.Errorf("there is no domain %q%s", domain,
			didYouMean(domain, []string{"inet", "inet6", "local", "netlink", "packet", "vsock"}))
	}
	y, err := esock.ParseType(typ)
	if err != nil {
		return nil, nil, fmt.Errorf("there is no type %q%s", typ,
			didYouMean(typ, []string{"stream", "dgram", "seqpacket", "raw", "rdm"}))
	}
	p, err := esock.ParseProtocol(protocol)
	if err != nil {
		return nil, nil, fmt.Errorf("there is no protocol %q%s", protocol,
			didYouMean(protocol, []string{"default", "tcp", "udp", "icmp", "ipv6-icmp", "sctp", "udplite", "mptcp", "raw"}))
	}
	s, err := esock.Open(d, y, p)
	if err != nil {
		return nil, nil, fmt.Errorf("no socket of %s, %s, %s can be opened: %s", domain, typ, protocol, reason(err))
	}
	r := &optResult{Option: t.label(), Codec: t.codec(), Constant: t.info.Constant, Doc: t.info.Doc,
		Socket: fmt.Sprintf("%v, %v, %v", s.Domain(), s.Type(), s.Protocol())}
	if t.level != "otp" {
		r.Level, r.Number = &t.levelNumber, &t.number
	}
	return s, r, nil
}

// get reads the option.
func (t *target) get(s *esock.Socket) (any, error) {
	switch {
	case !t.native:
		v, err := s.Option(t.level, t.name)
		return shown(v), err
	case t.form == "hex":
		size := t.size
		if size == 0 {
			size = 4
		}
		buf := make([]byte, size)
		n, err := s.GetOptionNative(t.levelNumber, t.number, buf)
		return shown(buf[:n]), err
	}
	n, err := s.GetOptionNativeInt(t.levelNumber, t.number)
	if t.form == "boolean" {
		return n != 0, err
	}
	return n, err
}

// set sets the option to what parse made.
func (t *target) set(s *esock.Socket, value any) error {
	if t.native {
		return s.SetOptionNative(t.levelNumber, t.number, value)
	}
	return s.SetOption(t.level, t.name, value)
}

// reason is why a call failed, without which call it was: a cause in words, or the system's message with its name.
func reason(err error) string {
	var invalid *esock.InvalidError
	if errors.As(err, &invalid) && invalid.Cause != "" {
		return invalid.Cause
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error() + " (" + unix.ErrnoName(errno) + ")"
	}
	return plain(err)
}

// shown is a value in a form for text and JSON.
func shown(v any) any {
	switch v := v.(type) {
	case []byte:
		return hex.EncodeToString(v)
	case *esock.Mailbox: // of a fresh socket: nobody
		return nil
	case fmt.Stringer:
		return v.String()
	case esock.RcvBuf:
		return map[string]any{"n": v.N, "size": v.Size}
	}
	return v
}

// valueText is a value for people; maps have their keys in order.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		if v == "" {
			return `""`
		}
	case map[string]any:
		var parts []string
		for key, x := range v {
			parts = append(parts, key+" "+fmt.Sprint(x))
		}
		slices.Sort(parts)
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}
