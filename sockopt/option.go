package sockopt

import (
	"iter"
	"sync"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
)

// Option is a socket option with a value of type T. The options are variables of this package, named after level and
// option: SocketReuseAddr, IPTTL, IPv6V6Only, TCPNoDelay, UDPCork.
type Option[T any] struct {
	row   int
	codec *codec[T]
}

// codec converts a T to the core's form of the value (scalars in i, the rest in data) and back. A cause says why the value
// cannot be encoded.
type codec[T any] struct {
	encode func(T) (i int64, data []byte, cause string)
	decode func(i int64, data []byte) T
}

// Info describes the option. For the zero Option it is empty.
func (o Option[T]) Info() Info {
	if o.codec == nil {
		return Info{}
	}
	return optionRows[o.row]
}

// String returns the names of level and option: "tcp.nodelay". For the zero Option it is empty.
func (o Option[T]) String() string {
	if o.codec == nil {
		return ""
	}
	return optionRows[o.row].Level + "." + optionRows[o.row].Name
}

// Get reads the option: getsockopt(2), OTP socket:getopt/2. Errors: *InvalidError "socket_option" if it can only be set;
// net.ErrClosed; those of the kernel, with the cause where it can be known.
func (o Option[T]) Get(s *esock.Socket) (v T, err error) {
	if o.codec == nil {
		return v, fail(s, getopt, &esock.InvalidError{What: "socket_option", Cause: "the zero Option"})
	}
	return o.get(s, 0, nil)
}

// Ask is Get for options whose answer depends on a question, such as an association or a version. Parts of the question
// that the kernel does not use come back unchanged. OTP 29: socket:getopt/3.
func (o Option[T]) Ask(s *esock.Socket, question T) (v T, err error) {
	if o.codec == nil {
		return v, fail(s, getopt, &esock.InvalidError{What: "socket_option", Cause: "the zero Option"})
	}
	i, data, cause := o.codec.encode(question)
	if cause != "" {
		return v, fail(s, getopt, optionError(o.row, question, cause))
	}
	return o.get(s, i, data)
}

func (o Option[T]) get(s *esock.Socket, i int64, question []byte) (v T, err error) {
	i, b, err := getRow(s, o.row, i, question)
	if err != nil {
		return v, err
	}
	if b == nil {
		return o.codec.decode(i, nil), nil
	}
	v = o.codec.decode(i, *b)
	optionBuffers.put(b)
	return v, nil
}

// Set sets the option: setsockopt(2), OTP socket:setopt/3. Errors: *InvalidError "socket_option" if it can only be read or
// the value does not fit; net.ErrClosed; those of the kernel, such as ENOENT or ENODEV, with option and name, for a name that
// the kernel does not know.
func (o Option[T]) Set(s *esock.Socket, v T) error {
	if o.codec == nil {
		return fail(s, setopt, &esock.InvalidError{What: "socket_option", Cause: "the zero Option"})
	}
	i, data, cause := o.codec.encode(v)
	if cause != "" {
		return fail(s, setopt, optionError(o.row, v, cause))
	}
	return setRow(s, o.row, v, i, data)
}

// The operations, as errors name them.
const (
	getopt = "getopt"
	setopt = "setopt"
)

// fail returns the error of an operation on a socket.
func fail(s *esock.Socket, op string, reason error) error {
	return &esock.Error{Op: op, Socket: s, Reason: reason}
}

// Info describes an option that esock knows.
type Info struct {
	Level       string // "tcp"
	Name        string // "nodelay"
	Constant    string // "TCP_NODELAY"
	LevelNumber int    // the number of IPPROTO_TCP
	Number      int    // the number of TCP_NODELAY on Linux
	Codec       string // the form of the value: "bool", "int", "sec", "string", "struct", …
	Struct      string // of the codec "struct": its name, "tcp_info"
	CanGet      bool
	CanSet      bool
	Asks        bool   // reading takes a question: Ask
	Kinds       Kinds  // the sockets that it applies to
	Needs       string // a capability ("CAP_NET_ADMIN", for some values at least), a state ("connected"), or ""
	Since       string // the first Linux that has it
	Until       string // the first Linux that no longer has it, or ""
	Sample      string // see SampleValue
	Doc         string // what it does, and its unit

	codec uint8
}

// All iterates over the options that the package knows, level by level, without level otp.
func All() iter.Seq[Info] {
	return func(yield func(Info) bool) {
		for i := range optionRows {
			if !yield(optionRows[i]) {
				return
			}
		}
	}
}

// findOption returns the row of an option, or -1.
func findOption(level, name string) int {
	for i := range optionRows {
		if r := &optionRows[i]; r.Name == name && r.Level == level {
			return i
		}
	}
	return -1
}

// optionError is OTP's {invalid, {socket_option, Opt, Value}}; value nil: {invalid, {socket_option, Opt}}.
func optionError(row int, value any, cause string) error {
	name := optionRows[row].Level + "." + optionRows[row].Name
	if value == nil {
		return &esock.InvalidError{What: "socket_option", Value: name, Cause: cause}
	}
	return &esock.InvalidError{What: "socket_option", Value: name + shownValue(row, value), Cause: cause}
}

// The table in Go and the rows in C are generated from one file. If one were built without the other, the row numbers would
// mean other options.
var optionTableError = sync.OnceValue(func() error {
	return compareOptionTables(corecall.OptionTable())
})

func compareOptionTables(count int, hash uint64) error {
	if count == len(optionRows) && hash == optionHash {
		return nil
	}
	return &esock.InvalidError{What: "socket_option",
		Cause: "sockopt/table.go and csrc/esock_opt.def differ: run go generate, and build again"}
}

// optionBuffers holds the buffers that the core reads values into. Codecs copy out of them.
var optionBuffers = optionPool{}

type optionPool struct{ pool sync.Pool }

func (p *optionPool) get(n int) *[]byte {
	b, ok := p.pool.Get().(*[]byte)
	if !ok || cap(*b) < n {
		s := make([]byte, n)
		return &s
	}
	*b = (*b)[:n]
	return b
}

func (p *optionPool) put(b *[]byte) {
	if cap(*b) <= 1<<16 { // what one long list needed is not kept
		p.pool.Put(b)
	}
}

// optionSize returns how many bytes a row's value is read with at first, and how many it has at most; 0 for scalars.
type optionSize struct{ room, most int }

var optionSizes = sync.OnceValue(func() []optionSize {
	sizes := make([]optionSize, len(optionRows))
	for i := range sizes {
		sizes[i].room, sizes[i].most = corecall.OptionRoom(i)
	}
	return sizes
})

// getRow reads an option. The caller puts the data back; it is nil for scalars. question is for options that take one.
func getRow(s *esock.Socket, row int, i int64, question []byte) (v int64, data *[]byte, err error) {
	if err := optionTableError(); err != nil {
		return 0, nil, fail(s, getopt, err)
	}
	v, data, r, err := readRow(s, row, i, question, optionSizes()[row].room)
	switch {
	case err != nil:
		return 0, nil, err
	case r < 0:
		return 0, nil, optionResult(s, getopt, row, nil, r)
	}
	return v, data, nil
}

// readRow reads an option with room for so many bytes; r is the core's answer. Only the kernel knows how long some lists are.
// When the core says that there is more, readRow asks again with more room, so that nothing is cut.
func readRow(s *esock.Socket, row int, i int64, question []byte, room int) (v int64, data *[]byte, r int, err error) {
	if room == 0 {
		v, _, r, err = corecall.GetOption(s, row, i, nil)
		return v, nil, r, err
	}
	for room = max(room, len(question)); ; {
		data = optionBuffers.get(room)
		clear((*data)[copy(*data, question):])
		v, n, r, err := corecall.GetOption(s, row, i, *data)
		if err == nil && r >= 0 {
			*data = (*data)[:min(n, room)]
			return v, data, 0, nil
		}
		optionBuffers.put(data)
		more, again := moreRoom(row, room, n, r)
		if err != nil || !again {
			return 0, nil, r, err
		}
		room = more
	}
}

// moreRoom returns the room to ask again with, after the core answered r to a read with room and reported n bytes.
func moreRoom(row, room, n, r int) (int, bool) {
	most := optionSizes()[row].most
	if r != -int(syscall.ENOBUFS) || n <= room || n > most {
		return 0, false
	}
	return min(max(n, 2*room), most), true
}

// setRow sets an option. value is the caller's, for the error.
func setRow(s *esock.Socket, row int, value any, i int64, data []byte) error {
	if err := optionTableError(); err != nil {
		return fail(s, setopt, err)
	}
	r, err := corecall.SetOption(s, row, i, data, optionRows[row].LevelNumber, optionRows[row].Number)
	switch {
	case err != nil:
		return err
	case r < 0:
		return optionResult(s, setopt, row, value, r)
	}
	return nil
}
