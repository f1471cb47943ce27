package sockopt

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"github.com/esock-go/esock"
)

// optionFailure is the kernel's refusal: the option, and the cause if the option's row knows it, or else the value.
// errors.Is finds the errno.
type optionFailure struct {
	errno syscall.Errno
	text  string
}

func (e *optionFailure) Error() string { return e.errno.Error() + ": " + e.text }
func (e *optionFailure) Unwrap() error { return e.errno }

// optionResult returns the error for the core's refusal of an option call.
func optionResult(s *esock.Socket, op string, row int, value any, r int) error {
	errno := syscall.Errno(-r)
	switch {
	// The core says ENOTSUP of the wrong direction, but Linux of options on the wrong kind of socket, too.
	case errno == syscall.ENOTSUP && op == getopt && !optionRows[row].CanGet:
		return fail(s, op, optionError(row, nil, "can only be set"))
	case errno == syscall.ENOTSUP && op == setopt && !optionRows[row].CanSet:
		return fail(s, op, optionError(row, nil, "can only be read"))
	case errno == syscall.ERANGE && op == setopt:
		return fail(s, op, optionError(row, value, rangeCause(row)))
	}
	o := &optionRows[row]
	text := o.Level + "." + o.Name
	cause := explainOption(o, kindOf(s), errno, func() bool { return op == setopt && readsHere(s, row) })
	condition := o.conditionFor(kindOf(s), errno)
	if op == setopt && o.Struct == "ip_msfilter" && isNull(value) {
		cause = "null, no filter at all, is refused by Linux with EINVAL; to leave all senders of a group, drop the membership"
	}
	switch {
	case op == getopt:
	case o.codec == codecString:
		text += fmt.Sprintf(" %q", value)
		if cause == "" {
			cause = explainName(errno)
		}
	case cause == "":
		text += shownValue(row, value)
	}
	switch {
	case cause != "" && condition != "":
		text += " " + cause + "; " + condition
	case cause != "":
		text += " " + cause
	case condition != "":
		text += ": " + condition
	}
	return fail(s, op, &optionFailure{errno, text})
}

// isUnknown reports whether the errno says that there is no such option, or that it cannot be set.
func isUnknown(errno syscall.Errno) bool {
	return errno == syscall.ENOPROTOOPT || errno == syscall.EOPNOTSUPP
}

// readsHere reports whether the option can be read on the socket, which shows that the kernel knows it.
func readsHere(s *esock.Socket, row int) bool {
	if !optionRows[row].CanGet || optionRows[row].Asks {
		return false
	}
	_, data, r, err := readRow(s, row, 0, nil, optionSizes()[row].room)
	if data != nil {
		optionBuffers.put(data)
	}
	return err == nil && r >= 0
}

// shownValue formats a number, a boolean or a text for an error, after a blank. Structures and bytes may hold keys, so they are
// not shown, nor is a text given for one.
func shownValue(row int, v any) string {
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return fmt.Sprintf(" %v", v)
	case reflect.String:
		if codec := optionRows[row].codec; codec != codecBytes && codec != codecStruct {
			return fmt.Sprintf(" %q", v)
		}
	}
	return ""
}

// conditionFor returns what the option's row says of the state or the value that the option needs, "" if that is not why the
// kernel refuses it on a socket of the kind.
func (o *Info) conditionFor(kind Kinds, errno syscall.Errno) string {
	condition, ok := strings.CutPrefix(o.Sample, "!")
	if !ok || kind != 0 && !o.Kinds.Has(kind) {
		return ""
	}
	switch errno {
	case syscall.EINVAL, syscall.ENOENT, syscall.ENODATA, syscall.EADDRNOTAVAIL, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP:
		return condition
	}
	return ""
}

// explainName says why the kernel refuses the name that an option is set to. The errno reads as if a file were missing.
func explainName(errno syscall.Errno) string {
	switch errno {
	case syscall.ENOENT:
		return "is not known to this kernel: it is not built in, and no module of that name can be loaded"
	case syscall.ENODEV:
		return "is not an interface in the socket's network namespace"
	case syscall.EPERM:
		return "is not allowed without privilege"
	}
	return ""
}

// rangeCause says why the core finds a value out of range.
func rangeCause(row int) string {
	switch optionRows[row].Codec {
	case "filter":
		return "a filter has up to 4096 instructions"
	case "string", "bytes", "struct":
		return "out of range: up to " + strconv.Itoa(optionSizes()[row].most) + " bytes"
	}
	return "out of range"
}

// lifetime returns the versions of Linux that have the option.
func (o *Info) lifetime() string {
	if o.Until == "" {
		return "since " + o.Since
	}
	return "since " + o.Since + ", until " + o.Until
}

// explainOption says why the kernel refuses the option on a socket of the kind, "" if that is not known. reads says whether an
// option that could not be set can be read.
func explainOption(o *Info, kind Kinds, errno syscall.Errno, reads func() bool) string {
	unknown := isUnknown(errno)
	wrongKind := kind != 0 && !o.Kinds.Has(kind)
	switch {
	case wrongKind && kind == KindMPTCP && (unknown || errno == syscall.EINVAL):
		return "is not available on an MPTCP socket"
	case wrongKind && (unknown || errno == syscall.EINVAL || errno == syscall.ENOTCONN || errno == syscall.ENODATA):
		return "is for sockets of kind " + strings.Join(o.Kinds.Names(), ", ") + ", and this is " + kind.String()
	case (errno == syscall.EPERM || errno == syscall.EACCES) && strings.HasPrefix(o.Needs, "CAP_"):
		return "needs " + o.Needs
	case errno == syscall.EPERM && o.Needs == "repair":
		return "needs repair mode: tcp.repair, with CAP_NET_ADMIN"
	case errno == syscall.ENOTCONN:
		return "needs a connected socket, and this one is not"
	case o.Level == "sctp" && o.Needs == "connected" && errno == syscall.EINVAL:
		return "needs an association that the socket has, or refuses this value"
	case o.Needs == "connected" && (errno == syscall.EINVAL || errno == syscall.ENODATA) && o.Codec != "string":
		return "needs a connected socket, or refuses this value"
	case unknown && reads():
		return "cannot be set here, only read"
	case unknown && kind == KindMPTCP && o.Level == "mptcp":
		return "is not known to this kernel (it is in Linux " + o.lifetime() + "), or the connection has fallen back to TCP"
	case unknown && kind != 0:
		return "is not known to this kernel, not built into it, or refused here (it is in Linux " + o.lifetime() + ")"
	case errno == syscall.ENOMEM && o.Codec == "filter":
		return "takes no filter of this length here: net.core.optmem_max is the limit"
	case errno == syscall.ENOBUFS && (o.Struct == "ip_msfilter" || o.Struct == "group_filter"):
		return "takes no more members than net.ipv4.igmp_max_msf or net.ipv6.mld_max_msf, or bytes than net.core.optmem_max"
	}
	return ""
}
