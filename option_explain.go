package esock

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// optionResult is what the core's refusal of an option call means.
func (s *Socket) optionResult(op string, row int, value any, r int) error {
	errno, ok := errnoOf(r).(syscall.Errno)
	if !ok {
		return nil
	}
	switch {
	// The core says ENOTSUP of the wrong direction, but Linux of options on the wrong kind of socket, too.
	case errno == syscall.ENOTSUP && op == opGetOpt && !optionRows[row].CanGet:
		return s.fail(op, optionError(row, nil, "can only be set"))
	case errno == syscall.ENOTSUP && op == opSetOpt && !optionRows[row].CanSet:
		return s.fail(op, optionError(row, nil, "can only be read"))
	case errno == syscall.ERANGE && op == opSetOpt:
		return s.fail(op, optionError(row, value, rangeCause(row)))
	}
	var kind SocketKinds
	if s.h != nil {
		kind = s.kind()
	}
	cause := explainOption(&optionRows[row], kind, errno)
	name := ""
	if op == opSetOpt && optionRows[row].codec == codecString {
		name = fmt.Sprintf(" %q", value)
		if cause == "" {
			cause = explainName(errno)
		}
	}
	if cause != "" {
		return s.fail(op, &explainedErrno{errno, optionRows[row].Level + "." + optionRows[row].Name + name + " " + cause})
	}
	return s.fail(op, errno)
}

// explainName is why the kernel refuses the name that an option is set to: its errno reads as if a file were missing.
func explainName(errno syscall.Errno) string {
	switch errno {
	case syscall.ENOENT:
		return "is not known to this kernel: it is not built in, and no module of that name can be loaded"
	case syscall.ENODEV:
		return "is no interface in the socket's network namespace"
	case syscall.EPERM:
		return "is not allowed without privilege"
	}
	return "is refused"
}

// namedOption is the row of an option that is set to a name, by its numbers, or -1.
func namedOption(level, number int) int {
	for i := range optionRows {
		if o := &optionRows[i]; o.codec == codecString && o.CanSet && o.LevelNumber == level && o.Number == number {
			return i
		}
	}
	return -1
}

// rangeCause is why the core finds a value out of range.
func rangeCause(row int) string {
	switch optionRows[row].Codec {
	case "filter":
		return "a filter has up to 4096 instructions"
	case "string", "bytes", "struct":
		return "out of range: up to " + strconv.Itoa(optionSizes()[row].most) + " bytes"
	}
	return "out of range"
}

// lifetime is which Linuxes have it.
func (o *OptionInfo) lifetime() string {
	if o.Until == "" {
		return "since " + o.Since
	}
	return "since " + o.Since + ", until " + o.Until
}

// explainOption is why the kernel refuses the option on a socket of the kind, "" where that is not known.
func explainOption(o *OptionInfo, kind SocketKinds, errno syscall.Errno) string {
	unknown := errno == syscall.ENOPROTOOPT || errno == syscall.EOPNOTSUPP
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
	case o.Needs == "connected" && (errno == syscall.EINVAL || errno == syscall.ENODATA) && o.Codec != "string":
		return "needs a connected socket, or refuses this value"
	case unknown && kind != 0:
		return "is not known to this kernel, not built into it, or refused here (it is in Linux " + o.lifetime() + ")"
	case errno == syscall.ENOMEM && o.Codec == "filter":
		return "takes no filter of this length here: net.core.optmem_max is the limit"
	case errno == syscall.ENOBUFS && (o.Struct == "ip_msfilter" || o.Struct == "group_filter"):
		return "takes no more members than net.ipv4.igmp_max_msf or net.ipv6.mld_max_msf, or bytes than net.core.optmem_max"
	}
	return ""
}
