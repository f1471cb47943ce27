// Package sockopt reads and sets the options of sockets: all that Linux has, with a type each.
//
//	err := sockopt.TCPNoDelay.Set(s, true)
//	info, err := sockopt.TCPInfo.Get(s)
//
// [Get], [Set] and [Ask] take OTP's names of level and option instead, and plain data, as a command or a configuration
// file has them; [GetAll] and [SetAll] do many at once:
//
//	v, err := sockopt.Get(s, "tcp", "congestion")
//	err := sockopt.Set(s, "socket", "linger", map[string]any{"onoff": true, "linger": 5})
//
// Options that are not here are reached by their numbers, with GetOptionNative and SetOptionNative of the socket.
//
// [All] lists the options with what is known about each, [ProbeAll] tries them on the running kernel. Structures have Go
// types of their own; fields that the kernel does not have are 0. Times are time.Duration, rounded up to the kernel's unit. An
// error that the kernel answers says why, where that can be known, and errors.Is finds the errno in it.
//
// # Level otp
//
// OTP's level otp has the library's own settings of a socket, for which package esock has methods:
//
//	name                 method                   value by name
//	controlling_process  Owner,                   *esock.Mailbox, nil for none; set where there is no owner
//	                     ControllingProcess       yet, and not to nil
//	debug                Debug, SetDebug          bool
//	domain               Domain                   esock.Domain; read only
//	fd                   FD                       int; read only
//	iow                  IOW, SetIOW              bool
//	meta                 Meta, SetMeta            any value
//	rcvbuf               RcvBuf, SetRcvBuf        int in bytes, or esock.RcvBuf where a count is set; set also to a
//	                                              list [count, size], or "default"
//	rcvctrlbuf           RcvCtrlBuf,              int in bytes; set also to "default"
//	                     SetRcvCtrlBuf
//	select_read          SelectRead,              bool
//	                     SetSelectRead
//	sndctrlbuf           SndCtrlBuf,              int in bytes; set also to "default"
//	                     SetSndCtrlBuf
//	spin                 Spin, SetSpin            time.Duration; set also to its text ("50µs"), and not to a number,
//	                                              which has no unit
//	use_registry         Registered, Register     bool; set to true only
//
// Sizes are from 1. Values of other types are refused: *esock.InvalidError "socket_option".
package sockopt
