// Package corecall hands packages sockopt and netdevice the calls of the C core that only package esock may make. Package
// esock sets the variables when it is initialised. An s is an *esock.Socket, nil included; an err is what a closed socket
// answers, and an r the core's result: 0 or more, or a negative errno. Values pass by value: through a function variable,
// a pointer's target would be allocated.
package corecall

// Option rows: esock_getopt(), esock_setopt() and their kin of csrc/esock.h.
var (
	// GetOption reads the option of a row. i and data are the question, if the row takes one. A scalar comes back as v; other
	// values come back in data, of which n bytes count, or would if data were longer.
	GetOption func(s any, row int, i int64, data []byte) (v int64, n, r int, err error)
	// SetOption sets the option of a row; level and number are the row's.
	SetOption func(s any, row int, i int64, data []byte, level, number int) (r int, err error)
	// GetOptions and SetOptions do many, in one crossing into C. The values are parts of data.
	GetOptions func(s any, calls []OptionCall, data []byte) error
	SetOptions func(s any, calls []OptionCall, data []byte, option func(row int) (level, number int)) error

	OptionTable  func() (rows int, hash uint64)   // what the core was built with
	OptionRoom   func(row int) (first, most int)  // bytes of data to read with at first, and at most
	OptionOffset func(row, field int) int         // where a structure's field is; the two after the last field: its size, and that of a list's element
	Controls     func(data []byte) (controls any) // the []esock.ControlMessage that an option's bytes hold
	// OptionFields has the fields of an option's structure by name, where the core was built to find them; none for an option
	// that has no structure.
	OptionFields func(level, option string) map[string]OptionField
)

// OptionField is the place of a field in a structure, in bytes. The size of a list is 0.
type OptionField struct{ Offset, Size int }

// OptionCall is one option of a batch: struct esock_optcall.
type OptionCall struct {
	Row    uint32
	Result int32 // as r
	I      int64
	Offset uint32 // where its data is
	Len    uint32
}
