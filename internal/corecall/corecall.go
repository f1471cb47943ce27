// Package corecall gives packages sockopt, netdevice, sctp and netconn the calls of the C core that only package esock
// may make. Package esock sets the variables when it is initialised. An s is an *esock.Socket, which may be nil; an err
// is the error of a closed socket; an r is the core's result: 0 or more, or a negative errno. Arguments pass by value,
// because the target of a pointer that goes through a function variable is allocated.
package corecall

// Option rows: esock_getopt(), esock_setopt() and their kin of csrc/esock.h.
var (
	// GetOption reads the option of a row. i and data hold the question, if the row takes one. A scalar is returned as
	// v. Other values are in data; n is their length, which may exceed that of data.
	GetOption func(s any, row int, i int64, data []byte) (v int64, n, r int, err error)
	// SetOption sets the option of a row; level and number are the row's.
	SetOption func(s any, row int, i int64, data []byte, level, number int) (r int, err error)
	// GetOptions and SetOptions handle many options in one crossing into C. The values are parts of data.
	GetOptions func(s any, calls []OptionCall, data []byte) error
	SetOptions func(s any, calls []OptionCall, data []byte, option func(row int) (level, number int)) error

	OptionTable  func() (rows int, hash uint64)   // the table that the core was built with
	OptionRoom   func(row int) (first, most int)  // bytes of data: to start with, and at most
	OptionOffset func(row, field int) int         // the offset of a structure's field; after the last field: the size of the structure, then that of a list's element
	Controls     func(data []byte) (controls any) // the []esock.ControlMessage that an option's bytes hold
	// OptionFields returns the fields of an option's structure by name, as the core was built; none if the option has
	// no structure.
	OptionFields func(level, option string) map[string]OptionField
)

// Accept is esock.Socket.Accept without a limit, for package netconn. It writes the peer's address to peer, an
// *esock.Addr. Later the kernel may not know it any more.
var Accept func(s, peer any) (socket any, err error)

// ConnectX is esock.Socket.Connect to a peer with several addresses, for package sctp. wait is an esock.Wait. list has
// four bytes, which become the association's number, also with an *esock.Select; then sockaddr_in and sockaddr_in6, one
// after the other. On a one-to-many socket it does not wait.
var ConnectX func(s, wait any, list []byte) error

// OptionField is the place of a field in a structure, in bytes. A list has the size 0.
type OptionField struct{ Offset, Size int }

// OptionCall is one option of a batch: struct esock_optcall.
type OptionCall struct {
	Row    uint32
	Result int32 // as r
	I      int64
	Offset uint32 // of its part of data
	Len    uint32
}
