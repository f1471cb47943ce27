package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"golang.org/x/sys/unix"
)

type optCmd struct {
	Get optGetCmd `cmd:"" help:"Read an option of a new socket."`
	Set optSetCmd `cmd:"" help:"Set an option of a new socket and read it back."`
}

// optArgs are the arguments that reading and setting have in common.
type optArgs struct {
	Level string `arg:"" words:"levels" help:"The level: otp, socket, ip, ipv6, tcp, udp, or its number."`
	Name  string `arg:"" words:"options" help:"The option's name, such as nodelay, or its number."`

	Domain   string `placeholder:"DOMAIN" words:"domains" help:"Domain of the socket: inet, inet6, local or another; by default, one that has the option."`
	Type     string `placeholder:"TYPE" words:"types" help:"Type of the socket: stream, dgram, seqpacket or raw; by default, one that has the option."`
	Protocol string `placeholder:"PROTOCOL" words:"protocols" help:"Protocol of the socket: tcp, udp or another; by default, one that has the option."`

	Integer    bool `xor:"form" help:"In the kernel's form: a C int. This is the default for an option given by number."`
	Boolean    bool `xor:"form" help:"In the kernel's form: a C int, which is true unless it is 0."`
	Hex        bool `xor:"form" help:"In the kernel's form: bytes, in hexadecimal."`
	NativeSize int  `placeholder:"N" help:"In the kernel's form: read N bytes, and print them in hexadecimal."`
	JSON       bool `name:"json" help:"Print one JSON document."`
}

type optGetCmd struct {
	optArgs
	Ask string `placeholder:"VALUE" help:"What to ask about, for options that take a value when they are read; by default, the option's sample."`
}

type optSetCmd struct {
	optArgs
	Value string `arg:"" help:"The value; put -- before one that begins with a minus. Structures: field=value,field=value, or JSON as printed. Bytes: 0x and hexadecimal digits. Linger: off, abort or seconds. Buffers of level otp: SIZE, default or, for rcvbuf, COUNT:SIZE."`
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
	Unread   string `json:"unreadable,omitempty"` // the reason why it could not be read back
}

func (c *optGetCmd) Run(out *output) error {
	t, err := c.target()
	if err != nil {
		return err
	}
	if t.question, err = t.asked(c.Ask); err != nil {
		return err
	}
	s, res, err := c.open(t)
	if err != nil {
		return err
	}
	defer s.Close()
	if res.Value, err = t.get(s); err != nil {
		return fmt.Errorf("%s cannot be read: %s", t.label(), t.reason(err, ""))
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
	if t.known && t.info.Asks {
		t.question = value
	}
	if before, err := t.get(s); err == nil {
		res.Before = before
	}
	if err := t.set(s, value); err != nil {
		text := fmt.Errorf("%s cannot be set to %s: %s", t.label(), cmp.Or(c.Value, `""`), t.reason(err, c.Value))
		if bad := new(esock.InvalidError); errors.As(err, &bad) {
			return usageError{text} // the kernel was not asked
		}
		return text
	}
	if res.Value, err = t.get(s); err != nil {
		res.Unread = t.reason(err, "")
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
	add := func(name, text string) { pairs = append(pairs, [2]string{name, text}) }
	value := func(name string, v any) { add(name, valueText(v)) }
	if r.Doc != "" {
		add("about", r.Doc)
	}
	add("socket", r.Socket)
	if r.Set != nil {
		if r.Before != nil {
			value("before", r.Before)
		}
		value("set", r.Set)
	}
	if r.Unread != "" {
		add("value", "cannot be read back: "+r.Unread)
	} else {
		value("value", r.Value)
	}
	return out.writePairs(pairs)
}

// target is the option that the arguments name.
type target struct {
	level, name string // by name; empty without one
	number      int    // native
	levelNumber int
	native      bool
	form        string // native: integer, boolean, hex
	size        int    // native, hex: bytes to read
	info        sockopt.Info
	known       bool // info is set
	question    any  // the value that an option is read with, if it takes one
}

// otpOption is an option of the library's own level.
type otpOption struct {
	codec string // the kind of its value
	doc   string
}

// otpOptions are those options by name.
var otpOptions = map[string]otpOption{
	"controlling_process": {"mailbox", "The mailbox that owns the socket; a program sets it."},
	"debug":               {"bool", "Whether the operations of the socket are logged."},
	"domain":              {"domain", "The domain that the socket was opened with."},
	"fd":                  {"descriptor", "The file descriptor."},
	"iow":                 {"bool", "Whether the owner is told of counters that wrap around."},
	"meta":                {"text", "A value that the socket keeps for the program."},
	"rcvbuf":              {"rcvbuf", "The buffer that a receive makes when it is given none: SIZE in bytes, COUNT:SIZE to fill several, or default."},
	"rcvctrlbuf":          {"size", "The room for the control messages of a receive: SIZE in bytes, or default."},
	"select_read":         {"bool", "Whether an asynchronous receive that has data selects for the next."},
	"sndctrlbuf":          {"size", "The room for the control messages of a send: SIZE in bytes, or default."},
	"spin":                {"duration", "How long a call retries before it waits: a time such as 50us."},
	"use_registry":        {"bool", "Whether the socket is in the registry; it can only be switched on."},
}

// target finds the option that the arguments name.
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
		return nil, usagef("--native-size: must be from 1 to 1048576, not %d", a.NativeSize)
	}

	levels := map[string]int{}
	var levelNames []string
	for o := range sockopt.All() {
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
		return nil, usagef("there is no level %q%s", a.Level, didYouMean(a.Level, all))
	}

	if n, err := strconv.ParseInt(a.Name, 0, 32); err == nil {
		if t.level == "otp" {
			return nil, usagef("the options of level otp are the library's own and have no numbers")
		}
		t.native, t.number, t.name = true, int(n), ""
		for o := range sockopt.All() {
			if o.LevelNumber == t.levelNumber && o.Number == t.number {
				t.info, t.known, t.name = o, true, o.Name
			}
		}
		return t, nil
	}
	if t.level == "" {
		return nil, usagef("level %s has no options by name; give the option's number", a.Level)
	}
	return t, t.find(a.Name)
}

// find looks the option up by name.
func (t *target) find(name string) error {
	var names, elsewhere []string
	if t.level == "otp" {
		if o, ok := otpOptions[name]; ok {
			t.info.Doc = o.doc
			if t.native {
				return usagef("the options of level otp are the library's own and have no native form")
			}
			return nil
		}
		for n := range otpOptions {
			names = append(names, n)
		}
		slices.Sort(names)
	}
	for o := range sockopt.All() {
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
	for _, o := range sockopt.Others() {
		if o.Level != t.level || o.Name != name {
			continue
		}
		also := ""
		if len(elsewhere) > 0 {
			also = "; did you mean " + oneOf(elsewhere) + "?"
		}
		return usagef("Linux has no option %s.%s, which belongs to %s%s", t.level, name,
			strings.ReplaceAll(o.Where, ", ", " and "), also)
	}
	if len(elsewhere) > 0 {
		return usagef("level %s has no option %q; did you mean %s?", t.level, name, oneOf(elsewhere))
	}
	return usagef("level %s has no option %q%s", t.level, name, didYouMean(name, names))
}

// label is the option's name in messages.
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

// codec returns the kind of the option's value.
func (t *target) codec() string {
	switch {
	case t.native:
		return "native " + t.form
	case t.known && t.info.Struct != "":
		return t.info.Struct
	case t.known:
		return t.info.Codec
	}
	return otpOptions[t.name].codec
}

// asked returns the value that an option is read with, if it takes one: that of --ask, or else the sample of its row.
func (t *target) asked(text string) (any, error) {
	switch {
	case text != "" && (t.native || !t.known || !t.info.Asks):
		return nil, usagef("%s does not take a value when it is read", t.label())
	case t.native || !t.known || !t.info.Asks:
		return nil, nil
	case text == "":
		question, _, _ := t.info.SampleValue(t.info.Kinds)
		return question, nil
	}
	return t.parseKnown(text)
}

// get reads the option.
func (t *target) get(s *esock.Socket) (any, error) {
	switch {
	case !t.native && t.question != nil:
		v, err := sockopt.Ask(s, t.level, t.name, t.question)
		return shown(v), err
	case !t.native:
		v, err := sockopt.Get(s, t.level, t.name)
		return shown(v), err
	case t.form == "hex":
		size := t.size
		if size == 0 {
			size = 4
		}
		buf := make([]byte, size)
		n, err := s.GetOptionNative(t.levelNumber, t.number, buf)
		return shown(buf[:min(n, len(buf))]), err
	}
	n, err := s.GetOptionNativeInt(t.levelNumber, t.number)
	if t.form == "boolean" {
		return n != 0, err
	}
	return n, err
}

// set sets the option to a value that parse returned.
func (t *target) set(s *esock.Socket, value any) error {
	if t.native {
		return s.SetOptionNative(t.levelNumber, t.number, value)
	}
	return sockopt.Set(s, t.level, t.name, value)
}

// reason is reason without the option and the value, which the command has named already.
func (t *target) reason(err error, value string) string {
	why := reason(err)
	for _, again := range []string{t.label() + " " + value, t.label() + " " + strconv.Quote(value), t.label(),
		fmt.Sprintf("option %d of level %d", t.number, t.levelNumber)} {
		why = strings.TrimSuffix(why, ": "+again)
	}
	return why
}

// reason returns why a call failed, without the name of the call: a cause in words, or the system's message and the name of
// its number.
func reason(err error) string {
	var invalid *esock.InvalidError
	if errors.As(err, &invalid) && invalid.Cause != "" {
		return invalid.Cause
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		text := errno.Error() + " (" + unix.ErrnoName(errno) + ")"
		if _, cause, ok := strings.Cut(err.Error(), errno.Error()+": "); ok {
			text += ": " + cause
		}
		return text
	}
	return plain(err)
}
