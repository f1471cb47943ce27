package sockopt

import (
	"strconv"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/plain"
)

// ParseLevel returns the number of a level, for GetOptionNative and SetOptionNative of a socket: a name such as "socket",
// "tcp" or "tls", the name of a protocol ("ospf"), or a number. Errors: *esock.InvalidError "protocol". OTP: socket:level().
func ParseLevel(text string) (int, error) {
	n, ok := plain.Level(text)
	if !ok {
		return 0, &esock.InvalidError{What: "protocol", Value: text, Cause: "neither a known name nor a number"}
	}
	return n, nil
}

// OptionByName returns what is known about an option. Errors: *esock.InvalidError "socket_option", also for an option that
// Linux does not have, which says who does.
func OptionByName(level, name string) (Info, error) {
	row := findOption(level, name)
	if row < 0 {
		return Info{}, unknownOption(level, name)
	}
	return optionRows[row], nil
}

// GetNative is the socket's GetOptionNative with names: level as ParseLevel takes it, and an option of that level, or its
// number: GetNative(s, "tcp", "info", buf), GetNative(s, "tcp", "11", buf). Errors: those of GetOptionNative, ParseLevel and
// OptionByName. OTP: socket:getopt_native/3.
func GetNative(s *esock.Socket, level, option string, val []byte) (int, error) {
	l, o, err := nativeNumbers(level, option)
	if err != nil {
		return 0, fail(s, "getopt_native", err)
	}
	return s.GetOptionNative(l, o, val)
}

// SetNative is the socket's SetOptionNative with names, as GetNative takes them. value is bytes in the kernel's form, or an
// integer or boolean, sent as a C int. Errors: those of SetOptionNative, ParseLevel and OptionByName. OTP:
// socket:setopt_native/3.
func SetNative(s *esock.Socket, level, option string, value any) error {
	l, o, err := nativeNumbers(level, option)
	if err != nil {
		return fail(s, "setopt_native", err)
	}
	return s.SetOptionNative(l, o, value)
}

// nativeNumbers returns the numbers of a level and of an option of it.
func nativeNumbers(level, option string) (l, o int, err error) {
	if level == "otp" {
		return 0, 0, &esock.InvalidError{What: "socket_option", Value: level + "." + option,
			Cause: "the options of level otp are the library's own and have no numbers"}
	}
	if l, err = ParseLevel(level); err != nil {
		return 0, 0, err
	}
	if n, err := strconv.ParseInt(option, 10, 32); err == nil {
		return l, int(n), nil
	}
	for i := range optionRows {
		if r := &optionRows[i]; r.LevelNumber == l && r.Name == option {
			return l, r.Number, nil
		}
	}
	return 0, 0, unknownOption(level, option)
}
