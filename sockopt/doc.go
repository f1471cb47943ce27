// Package sockopt reads and sets the options of sockets. Each option of Linux is a variable with the type of its value.
//
//	err := sockopt.TCPNoDelay.Set(s, true)
//	info, err := sockopt.TCPInfo.Get(s)
//
// [Get], [Set] and [Ask] take OTP's names of level and option and plain data instead, as a command or a configuration file
// has them. [GetAll] and [SetAll] handle many options in one crossing into C.
//
//	v, err := sockopt.Get(s, "tcp", "congestion")
//	err := sockopt.Set(s, "socket", "linger", map[string]any{"onoff": true, "linger": 5})
//
// [GetNative] and [SetNative] take any option in the kernel's form, by names or numbers, as the socket's GetOptionNative and
// SetOptionNative take it by numbers.
//
// [All] lists the options and what is known about each; [ProbeAll] tries them on the running kernel. Structures have Go types
// of their own; fields that the kernel does not have are 0. Times are of type time.Duration and are rounded up to the
// kernel's unit. The error of an option that the kernel refuses says why, where the cause can be known; errors.Is finds the
// errno in it.
//
// # Level otp
//
// OTP's level otp holds the library's own settings of a socket. Package esock has methods for them:
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
//	spin                 Spin, SetSpin            time.Duration; set also to its text ("50µs") or {sec, usec}, and
//	                                              not to a number, which has no unit
//	use_registry         Registered, Register     bool; set to true only
//
// A size is at least 1. Values of other types are refused with *esock.InvalidError "socket_option".
package sockopt
