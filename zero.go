package esock

// A program can make the zero value of each exported type, or a nil pointer to one, by mistake. A zero socket or mailbox is a
// closed one; a zero value of another type is empty. The rule: a method that uses what its receiver points to begins with
// orClosed or orZero, and the code below it never sees nil. The state word of a zero socket lacks stOpen, so its calls fail
// like those of a closed socket, and none reaches C without a handle. The tests in zero_test.go try all methods.

// orZero returns p, or a new zero value in place of nil.
func orZero[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

// errNowhere refuses to read a value into a nil pointer.
func errNowhere(what string) error {
	return &InvalidError{What: what, Cause: "there is nowhere to put it: the pointer is nil"}
}
